import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Contender, Place } from '../contender.ts'
import { findFromNpm } from '../npm-package.ts'

/** Its terminal interface needs @levu/snap, which npm does not have: an empty package stands in, and is not loaded. */
const wanted = {
  name: '@khanglvm/llm-router',
  version: '2.6.2',
  overrides: { '@levu/snap': 'file:./snap' },
  files: { 'snap/package.json': JSON.stringify({ name: '@levu/snap', version: '0.0.1' }) },
}

const model = 'scripted/bench'
/** MiB. Of fetch's Response only the body is kept, and it is cancelled when the collector takes the Response: fewer collections, fewer empty answers. */
const semiSpace = 128

export const llmRouter: Contender = {
  name: 'llm-router',
  setup:
    'from npm, on the same Node.js as llm-gateway; its local server without the terminal interface, one chat-only provider, no activity log, no watch on the configuration, no authentication; semi-spaces of 128 MiB, without which several calls in a hundred fail. For each Responses call it tries `/v1/responses` at the provider first',
  entrances: {
    chat: { path: '/openai/v1/chat/completions', model },
    messages: { path: '/anthropic/v1/messages', model },
    responses: { path: '/openai/v1/responses', model },
  },
  isRival: true,
  knownFault:
    'with concurrent calls, some answers are empty and some streams have no events, with status 200. It keeps only the body of a fetch response, and the body is cancelled when the garbage collector takes the response',
  readyPath: '/health',
  find: (options) =>
    findFromNpm(wanted, options, (home, place) => ({
      command: process.execPath,
      args: [
        `--min-semi-space-size=${semiSpace}`,
        `--max-semi-space-size=${semiSpace}`,
        join(place.directory, 'start.mjs'),
      ],
      env: { HOME: place.directory, NODE_ENV: 'production' },
      files: { 'start.mjs': start(home, place), 'config.json': config(place) },
    })),
}

/** What its `start` command does, without the interface. */
const start = (home: string, { port, directory }: Place): string => `
import { startLocalRouteServer } from ${JSON.stringify(pathToFileURL(join(home, 'src/node/local-server.js')).href)}
await startLocalRouteServer({
  port: ${port},
  host: '127.0.0.1',
  configPath: ${JSON.stringify(join(directory, 'config.json'))},
  watchConfig: false,
})
`

const config = ({ upstreamPort }: Place): string =>
  JSON.stringify({
    version: 2,
    providers: [
      {
        id: 'scripted',
        name: 'scripted',
        baseUrl: `http://127.0.0.1:${upstreamPort}/chat-only/v1`,
        apiKey: 'none',
        format: 'openai',
        formats: ['openai'],
        models: [{ id: 'bench' }],
      },
    ],
    defaultModel: model,
    metadata: { activityLog: { enabled: false } },
  })
