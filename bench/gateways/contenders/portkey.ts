import { join } from 'node:path'
import type { Contender } from '../contender.ts'
import { findFromNpm } from '../npm-package.ts'

/** With later ones its streams fail: github.com/Portkey-AI/gateway/issues/1389. */
const serverVersion = '1.13.8'
const wanted = {
  name: '@portkey-ai/gateway',
  version: '1.15.2',
  overrides: { '@hono/node-server': serverVersion },
}

export const portkey: Contender = {
  name: 'Portkey',
  setup: `from npm, \`--headless\`, on the same Node.js as llm-gateway; with @hono/node-server ${serverVersion}, because streams fail with the version that npm picks`,
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  isRival: true,
  headers: ({ upstreamPort }) => ({
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
  }),
  find: (options) =>
    findFromNpm(wanted, options, (home, { port }) => ({
      command: process.execPath,
      args: [join(home, 'build/start-server.js'), `--port=${port}`, '--headless'],
      env: { NODE_ENV: 'production' },
    })),
}
