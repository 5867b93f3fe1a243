import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** Set up as its documentation says (agentgateway.dev: docs/standalone, llm). */
export const agentgateway: Contender = {
  name: 'agentgateway',
  setup:
    '`llm` with every model at one OpenAI-compatible `baseUrl`, no key, one worker thread, errors logged only',
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  isRival: true,
  find: () =>
    findOnPath('agentgateway', ['--version'], (command, place) => ({
      command,
      args: ['-f', 'config.yaml'],
      env: { HOME: place.directory },
      files: { 'config.yaml': config(place) },
    })),
}

/** Port 0 for what it serves besides: two of it may run at once. */
const config = ({ port, upstreamPort }: Place): string => `
config:
  workerThreads: "1"
  adminAddr: 127.0.0.1:0
  statsAddr: 127.0.0.1:0
  readinessAddr: 127.0.0.1:0
  logging: { level: error }
llm:
  port: ${port}
  models:
    - name: "*"
      provider: openAI
      params: { apiKey: none, baseUrl: "http://127.0.0.1:${upstreamPort}/v1" }
`
