// node clients.js CASE URL REQUESTS: makes requests one after the other, and leaves by itself.
'use strict';
const [, , name, url, count] = process.argv;
const core = url.startsWith('https') ? require('https') : require('http');

// A socket is back in its pool a turn of the loop after its response has ended.
const settled = () => new Promise((resolve) => setImmediate(resolve));
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const bothAgents = (make) => ({ httpAgent: make(require('http')), httpsAgent: make(require('https')) });
const keepAlive = (module) => new module.Agent({ keepAlive: true });

function get(options, read = true) {
  return new Promise((resolve, reject) => {
    const request = core.get(url, options, (response) => {
      if (!read) return resolve();
      response.on('end', resolve).resume();
    });
    request.on('error', reject);
  });
}

function deprecatedRequest(options) {
  const request = require('request');
  return new Promise((resolve, reject) =>
    request({ url, ...options }, (error) => (error ? reject(error) : resolve())));
}

const shared = {};
const once = (key, make) => (shared[key] ??= make());
const CASES = {
  bare: () => get({}),
  'no-keepalive': () => get({ agent: once('agent', () => new core.Agent()) }),
  'no-agent': () => get({ agent: false }),
  'shared-agent': () => get({ agent: once('agent', () => keepAlive(core)) }),
  'agent-each': () => get({ agent: keepAlive(core), headers: { Connection: 'keep-alive' } }),
  'asks-to-close': () =>
    get({ agent: once('agent', () => keepAlive(core)), headers: { Connection: 'close' } }),
  unread: () => get({ agent: once('agent', () => keepAlive(core)) }, false),
  'axios-shared': () => once('axios', () => require('axios').create(bothAgents(keepAlive))).get(url),
  'axios-each': () => require('axios').create(bothAgents(keepAlive)).get(url),
  request: () => deprecatedRequest({}),
  'request-closing': () => deprecatedRequest({ pool: false }),
  'request-forever': () => deprecatedRequest({ forever: true }),
  'agentkeepalive': () => get({ agent: once('agent', freeSockets(2000)) }),
  'agentkeepalive-expired': async () => {
    await get({ agent: once('agent', freeSockets(200)) });
    await pause(600);
  },
  fetch: async () => (await fetch(url)).text(),
  'fetch-closing': async () => (await fetch(url, { headers: { Connection: 'close' } })).text(),
  undici: async () => {
    const { Agent, request } = require('undici');
    const dispatcher = once('agent', () => new Agent({ connections: 1 }));
    await (await request(url, { dispatcher })).body.text();
  },
  'undici-each': async () => {
    const { Agent, request } = require('undici');
    await (await request(url, { dispatcher: new Agent() })).body.text();
  },
};

function freeSockets(milliseconds) {
  return () => {
    const Agent = require('agentkeepalive');
    const Kind = url.startsWith('https') ? Agent.HttpsAgent : Agent;
    return new Kind({ timeout: 4000, freeSocketTimeout: milliseconds });
  };
}

(async () => {
  for (let each = 0; each < Number(count); each += 1) {
    await CASES[name]();
    await settled();
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
