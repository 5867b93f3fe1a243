import { join } from 'node:path'
import type { Contender, Place } from '../contender.ts'
import { findFromNpm } from '../npm-package.ts'

/** Later ones need packages that npm does not have. */
const wanted = { name: '@musistudio/claude-code-router', version: '2.0.0' }

export const claudeCodeRouter: Contender = {
  name: 'claude-code-router',
  setup:
    'from npm, on the same Node.js as llm-gateway; one chat-only provider, no key, no log, not interactive. It accepts Messages only, so it has no figures of chat calls',
  entrances: { messages: { path: '/v1/messages', model: 'scripted,bench' } },
  isRival: true,
  readyPath: '/health',
  find: (options) =>
    findFromNpm(wanted, options, (home, place) => ({
      command: process.execPath,
      args: [join(home, 'dist/cli.js'), 'start'],
      env: { HOME: place.directory, NODE_ENV: 'production' },
      files: { '.claude-code-router/config.json': config(place) },
    })),
}

const config = ({ port, upstreamPort }: Place): string =>
  JSON.stringify({
    HOST: '127.0.0.1',
    PORT: port,
    LOG: false,
    LOG_LEVEL: 'fatal',
    NON_INTERACTIVE_MODE: true,
    API_TIMEOUT_MS: 3_600_000,
    Providers: [
      {
        name: 'scripted',
        api_base_url: `http://127.0.0.1:${upstreamPort}/chat-only/v1/chat/completions`,
        api_key: 'none',
        models: ['bench'],
      },
    ],
    Router: { default: 'scripted,bench' },
  })
