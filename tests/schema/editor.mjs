// What an editor makes of the schema: the real yaml-language-server, spoken to over stdio.
//
//   node editor.mjs SERVER.js EXAMPLES_FOLDER
//
// Documents are texts beside the examples, so that their first line finds the schema.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [server, examples] = process.argv.slice(2);
let failures = 0, checks = 0;

function expect(fine, message, seen) {
  ++checks;
  if (fine) return;
  ++failures;
  console.log('FAILED:', message, '\n  seen:', JSON.stringify(seen)?.slice(0, 1500));
}

// JSON-RPC.
const child = spawn(process.execPath, [server, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = new Map(), diagnosed = new Map();
let buffer = Buffer.alloc(0), next = 1;

function send(message) {
  const body = JSON.stringify({ jsonrpc: '2.0', ...message });
  child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function request(method, params) {
  const id = next++;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    send({ id, method, params });
  });
}

const settings = {
  yaml: { validate: true, hover: true, completion: true, schemaStore: { enable: false } },
};

function answer(message) {
  if (message.method === 'workspace/configuration') {
    const sections = message.params.items.map((item) => settings[item.section] ?? {});
    send({ id: message.id, result: sections });
  } else if (message.method && message.id !== undefined) {
    send({ id: message.id, result: null });
  } else if (message.method === 'textDocument/publishDiagnostics') {
    diagnosed.get(message.params.uri)?.(message.params.diagnostics);
  } else if (waiting.has(message.id)) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    message.error ? reject(new Error(message.error.message)) : resolve(message.result);
  }
}

child.stdout.on('data', (data) => {
  buffer = Buffer.concat([buffer, data]);
  for (;;) {
    const head = buffer.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(buffer.toString('utf8', 0, head))[1]);
    if (buffer.length < head + 4 + length) return;
    answer(JSON.parse(buffer.toString('utf8', head + 4, head + 4 + length)));
    buffer = buffer.subarray(head + 4 + length);
  }
});

const overdue = setTimeout(() => {
  console.log('FAILED: the language server has not answered within 25 seconds');
  child.kill();
  process.exit(1);
}, 25000);

// Documents.
let documents = 0;
const head = '# yaml-language-server: $schema=../braid.schema.json\nbraid: 1\n';

/** Opens a network whose text has a `|` where the cursor is; resolves once it has been checked. */
async function open(body) {
  const text = head + body, at = text.indexOf('|');
  const before = text.slice(0, Math.max(at, 0)).split('\n');
  const position = { line: before.length - 1, character: before.at(-1).length };
  const name = path.join(examples, 'digits', `document${documents++}.yaml`);
  const uri = pathToFileURL(name).href;
  const diagnostics = new Promise((resolve) => diagnosed.set(uri, resolve));
  send({
    method: 'textDocument/didOpen',
    params: {
      textDocument: { uri, languageId: 'yaml', version: 1, text: at < 0 ? text : text.replace('|', '') },
    },
  });
  return { textDocument: { uri }, position, diagnostics: await diagnostics };
}

async function completion(body) {
  const { textDocument, position } = await open(body);
  const result = await request('textDocument/completion', { textDocument, position });
  return (result?.items ?? result ?? []).map((item) => item.label);
}

async function hover(body) {
  const { textDocument, position } = await open(body);
  const result = await request('textDocument/hover', { textDocument, position });
  return (result?.contents?.value ?? '').replaceAll('\\', '');
}

async function messages(body) {
  return (await open(body)).diagnostics.map((d) => `${d.range.start.line + 1}: ${d.message}`);
}

const inputs = 'inputs: {image: {shape: [N, 3, 8, 8]}}\n';

await request('initialize', {
  processId: process.pid,
  rootUri: pathToFileURL(examples).href,
  capabilities: {
    textDocument: { hover: { contentFormat: ['markdown'] }, publishDiagnostics: {}, completion: {} },
    workspace: { configuration: true },
  },
});
send({ method: 'initialized', params: {} });
send({ method: 'workspace/didChangeConfiguration', params: { settings } });

let seen = await completion(inputs + 'layers:\n  - type: |\n');
expect(['Conv2d', 'BatchNorm2d', 'Linear'].every((type) => seen.includes(type)), 'layer types', seen);

seen = await completion(inputs + 'layers:\n  - type: Conv2d\n    |\n');
expect(['out_channels', 'kernel_size', 'padding', 'from', 'name'].every((key) => seen.includes(key)),
  'parameters of Conv2d', seen);
expect(!seen.includes('out_features'), 'no parameters of other layers', seen);

seen = await completion(inputs + 'layers:\n  - {type: Upsample, scale_factor: 2, mode: |}\n');
expect(seen.includes('nearest') && seen.includes('bilinear'), 'words of a parameter', seen);

seen = await completion(inputs + 'layers: [ReLU]\noptimizer: {type: |}\n');
expect(seen.includes('SGD') && seen.includes('Adam'), 'optimizers', seen);

seen = await completion(inputs + 'layers: [ReLU]\n|\n');
expect(['outputs', 'loss', 'optimizer', 'train'].every((key) => seen.includes(key)), 'sections', seen);

seen = await hover(inputs + 'layers:\n  - {type: Con|v2d, out_channels: 3, kernel_size: 3}\n');
expect(seen.includes('A 2-d convolution'), "Conv2d's doc", seen);

seen = await hover(inputs + 'layers:\n  - {type: Conv2d, out_channels: 3, kernel_size: 3, str|ide: 2}\n');
expect(seen.includes('cells between two applications of the kernel'), "stride's doc", seen);

seen = await hover(inputs + 'layers: [ReLU]\noptimizer: {type: SGD, lr: 0.1, mom|entum: 0.9}\n');
expect(seen.includes('default 0'), "momentum's doc", seen);

seen = await messages(inputs + 'layers:\n  - {type: Conv2d, out_channels: 3, kernel_size: 3, strides: 2}\n');
expect(seen.length === 1 && seen[0].startsWith('5: ') && seen[0].includes('strides'), 'an unknown key', seen);

seen = await messages(inputs + 'layers:\n  - {type: Upsample, scale_factor: 2, mode: nearer}\n');
expect(seen.length >= 1 && seen[0].startsWith('5: ') && seen.join().includes('nearest'), 'a wrong word', seen);

seen = await messages(inputs + 'layers:\n  - {type: Conv3x3, out_channels: 3}\n');
expect(seen.length >= 1 && seen[0].startsWith('5: '), 'an unknown type', seen);

seen = await messages(inputs + 'layers: [ReLU]\nepochs: 3\n');
expect(seen.length === 1 && seen[0].startsWith('5: ') && seen[0].includes('epochs'), 'an unknown section', seen);

seen = await messages(
  'params: {k: 3}\n' + inputs +
  'layers:\n  - {type: Conv2d, out_channels: $(2 * k), kernel_size: $k, padding: same, x-why: [1]}\n  - ReLU\n');
expect(seen.length === 0, 'a right file has no diagnostics', seen);

await request('shutdown', null);
send({ method: 'exit' });
child.kill();
clearTimeout(overdue);
console.log(`${checks - failures} of ${checks} checks passed`);
process.exit(failures ? 1 : 0);
