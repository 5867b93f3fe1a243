import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** Set up as its documentation says (docs.getbifrost.ai: deployment-guides/config-json). */
export const bifrost: Contender = {
  name: 'Bifrost',
  setup: '`config.json` without stores, one OpenAI provider with its own `base_url`, no request log',
  entrances: { chat: { path: '/v1/chat/completions', model: 'openai/bench' } },
  isRival: true,
  readyPath: '/health',
  find: () =>
    findOnPath('bifrost', ['-version'], (command, place) => ({
      command,
      args: [
        '-app-dir',
        place.directory,
        '-host',
        '127.0.0.1',
        '-port',
        String(place.port),
        '-log-level',
        'error',
      ],
      env: { HOME: place.directory },
      files: { 'config.json': config(place) },
    })),
}

const config = ({ upstreamPort }: Place): string =>
  JSON.stringify({
    client: { drop_excess_requests: false, enable_logging: false },
    providers: {
      openai: {
        keys: [{ name: 'bench', value: 'none', models: ['*'], weight: 1 }],
        network_config: {
          base_url: `http://127.0.0.1:${upstreamPort}`,
          max_conns_per_host: 20_000,
          stream_idle_timeout_in_seconds: 600,
        },
        concurrency_and_buffer_size: { concurrency: 20_000, buffer_size: 40_000 },
      },
    },
    config_store: { enabled: false },
    logs_store: { enabled: false },
  })
