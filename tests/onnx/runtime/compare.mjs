// Runs what onnx_cases has written in ONNX Runtime and compares: norm(a - b) <= 1e-5 norm(b), where
// a norm is that of an output over all runs: the one number that a network says of a sample may
// be a difference of large ones and so near 0 that rounding is all there is to compare.
//   node compare.mjs RUNTIME_FOLDER CASES_FOLDER
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [runtime, folder] = process.argv.slice(2);
const ort = createRequire(join(runtime, 'package.json'))('onnxruntime-node');
const allowed = 1e-5;

const kinds = {
  f32: ['float32', Float32Array],
  i64: ['int64', BigInt64Array],
  i32: ['int32', Int32Array],
  u8: ['uint8', Uint8Array],
  bool: ['bool', Uint8Array],
};

function numbers({ dtype, file }) {
  const bytes = readFileSync(join(folder, file));
  const copy = new Uint8Array(bytes).buffer;
  return new kinds[dtype][1](copy);
}

/// What two outputs differ by, and how large they are, in squares.
class Norms {
  apart = 0;
  size = 0;

  add(a, b) {
    for (let i = 0; i < a.length; ++i) {
      const x = Number(a[i]), y = Number(b[i]);
      if (!Object.is(x, y) && x !== y) this.apart += (x - y) ** 2;
      else if (!Number.isFinite(y)) continue;
      this.size += y * y;
    }
  }

  get distance() { return this.apart === 0 ? 0 : Math.sqrt(this.apart / Math.max(this.size, 1e-30)); }
}

async function check(one) {
  if (one.error) return one.error;
  const session = await ort.InferenceSession.create(join(folder, one.model), { logSeverityLevel: 3 });
  const norms = {};
  for (const run of one.runs) {
    const feeds = {};
    for (const input of run.inputs)
      if (session.inputNames.includes(input.name))
        feeds[input.name] = new ort.Tensor(kinds[input.dtype][0], numbers(input), input.dims);
    const made = await session.run(feeds);
    for (const output of run.outputs) {
      const { dims, data } = made[output.name];
      if (dims.join() !== output.dims.join())
        return `${output.name} is [${dims}], not [${output.dims}]`;
      (norms[output.name] ??= new Norms()).add(data, numbers(output));
    }
  }
  await session.release();
  one.worst = 0;
  for (const [name, { distance }] of Object.entries(norms)) {
    if (!(distance <= allowed)) return `${name} is ${distance} apart`;
    one.worst = Math.max(one.worst, distance);
  }
  return '';
}

const cases = JSON.parse(readFileSync(join(folder, 'cases.json')));
const counts = {};
// What ONNX or its runtime has no words for, by design.
const expected = new Set(JSON.parse(readFileSync(new URL('unsaid.json', import.meta.url))));
let failed = 0, worst = 0;
for (const one of cases) {
  let found;
  try {
    found = await check(one);
  } catch (e) {
    found = String(e.message ?? e);
  }
  const count = (counts[one.kind] ??= { passed: 0, unsaid: 0, all: 0 });
  ++count.all;
  if (!found) {
    ++count.passed;
    worst = Math.max(worst, one.worst);
    if (one.kind === 'network') console.log(`${one.name}: ${one.worst.toExponential(1)} apart`);
  } else if (expected.has(one.name)) {
    ++count.unsaid;
  } else {
    ++failed;
    console.log(`${one.kind} ${one.name}: ${found}`);
  }
  if (!found && expected.has(one.name)) {
    ++failed;
    console.log(`${one.name} passes: take it out of unsaid.json`);
  }
}
for (const [kind, { passed, unsaid, all }] of Object.entries(counts))
  console.log(`${kind}s: ${passed} of ${all} agree` + (unsaid ? `, ${unsaid} cannot be said` : ''));
console.log(`largest distance: ${worst.toExponential(2)}`);
process.exit(failed ? 1 : 0);
