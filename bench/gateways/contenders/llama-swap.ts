import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** Set up after its config.example.yaml. Its model is a process that does nothing: the calls go to `proxy`. */
export const llamaSwap: Contender = {
  name: 'llama-swap',
  setup: 'one model that is always up, `concurrencyLimit: 100000`, no captures, no log',
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  isRival: true,
  readyPath: '/health',
  find: () =>
    findOnPath('llama-swap', ['--version'], (command, place) => ({
      command,
      args: ['--config', 'config.yaml', '--listen', `127.0.0.1:${place.port}`],
      env: { HOME: place.directory },
      files: { 'config.yaml': config(place) },
    })),
}

const config = ({ upstreamPort }: Place): string => `
logLevel: error
logToStdout: none
captureBuffer: 0
models:
  bench:
    cmd: sleep infinity
    proxy: http://127.0.0.1:${upstreamPort}
    checkEndpoint: none
    concurrencyLimit: 100000
`
