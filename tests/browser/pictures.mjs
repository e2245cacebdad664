// Pictures as their readers see them.
//
//   node pictures.mjs BRAID SOURCE OUT CHROMIUM
//
// HTML is opened from disk in headless Chromium: switched, opened, searched, clicked. Nothing may be
// fetched, and nothing be said on the console. Screenshots stay in OUT.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

const [, , braid, source, out, executablePath] = process.argv;
let checks = 0,
  failures = 0;

function expect(fine, what, seen = '') {
  ++checks;
  if (fine) return;
  ++failures;
  console.log('FAILED:', what, seen);
}

function draw(net, ...options) {
  return execFileSync(braid, ['draw', net, ...options], {
    encoding: 'utf8',
    cwd: source,
    maxBuffer: 1 << 28,
  });
}

// Long networks: one of equal blocks, one without any.
function longNetworks() {
  const head = (name) =>
    `braid: 1\nname: ${name}\nreplicas: 2\nbatch: {global: 4}\n` +
    'inputs: {x: {shape: [N, 8]}, y: {shape: [N], dtype: i64}}\nlayers:\n  - {name: first, type: Identity, from: x}\n';
  const tail =
    '  - {name: head, type: Linear, out_features: 4}\nloss: {type: CrossEntropy, from: [head, y]}\noptimizer: {type: SGD, lr: 0.1}\n';
  const blocks =
    '  - {name: b, repeat: 1250, layers: [{name: fc, type: Linear, out_features: 8}, {name: bn, type: BatchNorm1d}, ReLU, Identity]}\n';
  let flat = '';
  for (let i = 0; i < 2500; ++i)
    flat += `  - {name: fc${i}, type: Linear, out_features: 8}\n  - {name: r${i}, type: ReLU}\n`;
  return Object.entries({ blocks, flat }).map(([name, layers]) => {
    const net = path.join(out, `${name}.yaml`);
    writeFileSync(net, head(name) + layers + tail);
    return [name, net];
  });
}

const examples = {
  digits: ['examples/digits/digits.yaml', '--devices', 'cpu:0,cpu:1'],
  resnet18: ['examples/networks/resnet18.yaml', '--devices', 'cpu:0,cpu:1', '--backward'],
  garments: ['examples/garments/garments.yaml', '--devices', 'cpu:0,cpu:1,cpu:2'],
  transformer: ['examples/networks/transformer.yaml', '--set', 'L=128', '--replicas', '4'],
  hooks: ['examples/replication/hooks.yaml'],
};

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});

async function opened(file, colorScheme, work) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme });
  const said = [],
    fetched = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  page.on('request', (request) => fetched.push(request.url()));
  const began = Date.now();
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('#sheet');
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const took = Date.now() - began;
  try {
    await work(page, took);
  } catch (error) {
    expect(false, `${path.basename(file)}: ${error.message.split('\n')[0]}`);
  }
  const name = path.basename(file);
  expect(said.length === 0, `${name}: the console is silent`, said.join('; '));
  expect(
    fetched.length === 1 && fetched[0].startsWith('file:'),
    `${name}: nothing is fetched`,
    fetched.join(),
  );
  await page.close();
}

const text = (page, selector) => page.locator(selector).first().textContent();
const shot = (page, name) => page.screenshot({ path: path.join(out, `${name}.png`) });

async function search(page, words) {
  await page.keyboard.press('/');
  await page.keyboard.type(words);
  await page.waitForSelector('#found li');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#panel:not([hidden])');
}

function html(name, ...more) {
  const file = path.join(out, `${name}.html`);
  draw(...examples[name], ...more, '-o', file);
  return file;
}

const line = (file, what) =>
  readFileSync(path.join(source, file), 'utf8')
    .split('\n')
    .findIndex((each) => each.includes(what)) + 1;

await opened(html('digits'), 'light', async (page) => {
  await page.click('[data-key=n_fc1]');
  const place = `examples/digits/digits.yaml:${line('examples/digits/digits.yaml', 'name: fc1')}:`;
  expect(
    (await text(page, '#panel .place')).startsWith(place),
    'a click on fc1 shows its line',
    await text(page, '#panel .place'),
  );
  const panel = await text(page, '#panel');
  for (const part of ['Linear', 'out_features', '2,080', 'f32 [N, 64]', 'f32 [N, 32]', 'y = '])
    expect(panel.includes(part), `the panel of fc1 has ${part}`, panel);
  await shot(page, 'digits-network-light');
  await page.click('[data-view=replicas]');
  expect((await page.locator('.knot').count()) === 3, 'three hexagons', await page.locator('.knot').count());
  expect((await page.locator('.band').count()) === 2, 'two devices');
  await page.locator('.knot').first().click();
  const merge = await text(page, '#panel');
  for (const part of ['Merged', 'chan', '768 B', '0 \u2026 1', '(0 1)', 'digits.yaml:'])
    expect(merge.includes(part), `the panel of a merge has ${part}`, merge);
  await shot(page, 'digits-replicas-light');
  await page.keyboard.press('Escape');
  expect(await page.locator('#panel').isHidden(), 'Escape closes the panel');
  await page.locator('.row').first().focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('#panel').isVisible(), 'the keyboard opens the panel');
});

await opened(html('resnet18'), 'dark', async (page) => {
  expect((await text(page, '[data-key="block:layer1"]')).includes('\u00d72'), 'layer1 is two equal blocks');
  expect((await page.locator('[data-key=n_layer2_0_conv1]').count()) === 0, 'layer2 is closed');
  await page.click('[data-key="block:layer2"]');
  await page.click('[data-key="block:layer2.0"]');
  await page.click('[data-key=n_layer2_0_conv1]');
  const place = `examples/networks/resnet18.yaml:${line('examples/networks/resnet18.yaml', 'name: conv1, type: Conv2d, out_channels: $ch')}:`;
  expect(
    (await text(page, '#panel .place')).startsWith(place),
    'a layer of a block shows its line',
    await text(page, '#panel .place'),
  );
  expect(
    (await text(page, '#panel .via')).includes('basic'),
    'and the block that brought it',
    await text(page, '#panel .via'),
  );
  await page.click('#critical');
  expect((await page.locator('.edge.critical').count()) > 5, 'the critical path is shown');
  await shot(page, 'resnet18-network-dark');
  await page.locator('[data-frame="block:layer2"]').first().press('Enter');
  expect((await page.locator('[data-key=n_layer2_0_conv1]').count()) === 0, 'layer2 is closed again');
  await search(page, 'layer4.1.conv2');
  expect(
    (await text(page, '#panel h2')) === 'layer4.1.conv2',
    'search opens what hides it',
    await text(page, '#panel h2'),
  );
  expect(await page.locator('.item.selected').isVisible(), 'and looks at it');
  const before = await page.locator('#sheet').getAttribute('transform');
  await page.keyboard.press('+');
  expect((await page.locator('#sheet').getAttribute('transform')) !== before, 'the picture is zoomed');
  await page.click('[data-view=replicas]');
  expect(
    (await page.locator('.knot').count()) >= 4,
    'hexagons of closed blocks',
    await page.locator('.knot').count(),
  );
  await shot(page, 'resnet18-replicas-dark');
  await search(page, 'layer1.0.bn1 normalize replica 5');
  expect(
    (await text(page, '#panel')).includes('replica 5'),
    'a step of replica 5',
    await text(page, '#panel'),
  );
});

const trace = path.join(out, 'trace.json');
writeFileSync(
  trace,
  JSON.stringify({
    traceEvents: [
      ['inc.double_conv.1', 0, 'moments', 800],
      ['inc.double_conv.1', 1, 'moments', 400],
      ['inc.double_conv.0', 0, 'conv2d', 1500],
    ].map(([layer, replica, op, dur]) => ({
      ph: 'X',
      name: op,
      pid: 1,
      tid: 1,
      ts: 0,
      dur,
      args: { layer, replica, op },
    })),
  }),
);
for (const scheme of ['light', 'dark'])
  await opened(html('garments', '--trace', trace), scheme, async (page) => {
    await page.keyboard.press('v');
    await page.locator('.knot[data-key="block:inc"]').click();
    await shot(page, `garments-replicas-${scheme}`);
    await page.click('#time');
    const bead = page.locator('[data-node]').filter({ hasText: 'conv2d, replica 0' }).first();
    const measured = await bead.evaluate((element) => element.style.fill);
    expect(measured.startsWith('rgb('), 'time is a colour', measured);
    await bead.click();
    expect((await text(page, '#panel')).includes('1.5 ms'), 'and a number', await text(page, '#panel'));
  });

await opened(html('transformer'), 'light', async (page) => {
  await page.click('#open-all');
  await shot(page, 'transformer-network-light');
  expect((await page.locator('.item').count()) > 40, 'all blocks are open');
  await page.click('#close-all');
  expect((await page.locator('.item').count()) < 20, 'all blocks are closed');
});

await opened(html('hooks'), 'light', async (page) => {
  expect((await page.locator('.called-mark').count()) === 1, 'the callback is marked');
  await page.click('[data-view=replicas]');
  expect((await text(page, '#sheet')).includes('on_replicate: greet'), 'and named among the replicas');
});

for (const [name, net] of longNetworks()) {
  const file = path.join(out, `${name}.html`);
  draw(net, '-o', file);
  await opened(file, 'light', async (page, took) => {
    const began = Date.now();
    await page.click('[data-view=replicas]');
    console.log(`${name}: 5,000 layers open in ${took} ms, the replicas in ${Date.now() - began} ms`);
    await page.click('[data-view=network]');
    await search(page, name === 'flat' ? 'r1234' : 'b.777.fc');
    expect(
      (await text(page, '#panel h2')).startsWith(name === 'flat' ? 'r1234' : 'b.777.fc'),
      'search among 5,000',
      await text(page, '#panel h2'),
    );
    await shot(page, `${name}-network`);
  });
}
await browser.close();

// Mermaid wants the DOM of a browser, even to parse.
const { JSDOM } = await import('jsdom');
const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
const mermaid = (await import('mermaid')).default;
mermaid.initialize({ maxEdges: 100000, maxTextSize: 1 << 24 });
const { default: Ajv } = await import('ajv');
const schema = JSON.parse(execFileSync(braid, ['schema', '--graph'], { encoding: 'utf8' }));
const validate = new Ajv({ strict: false }).compile(schema);
for (const [name, options] of Object.entries(examples)) {
  for (const view of ['network', 'replicas']) {
    try {
      const parsed = await mermaid.parse(draw(...options, '--view', view, '--format', 'mermaid'));
      expect(
        parsed.diagramType.startsWith('flowchart'),
        `${name}: Mermaid takes the ${view} for a flowchart`,
        parsed.diagramType,
      );
    } catch (error) {
      expect(false, `${name}: Mermaid parses the ${view}`, error.message);
    }
  }
  const document = JSON.parse(draw(...options, '--format', 'json'));
  expect(validate(document), `${name}: the JSON has its schema`, JSON.stringify(validate.errors?.[0]));
  document.pictures[0].nodes[0].unheard = 1;
  expect(!validate(document), `${name}: an unknown key is refused`);
}

console.log(`${checks - failures} of ${checks} checks passed`);
process.exit(failures || checks < 60 ? 1 : 0);
