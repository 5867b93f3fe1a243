import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** Set up as its documentation says (docs.litellm.ai: proxy/configs, proxy/cli). */
export const litellm: Contender = {
  name: 'LiteLLM',
  setup: 'one worker, one model at an OpenAI-compatible `api_base`, no keys, no database, telemetry off',
  path: '/v1/chat/completions',
  model: 'bench',
  readyPath: '/health/readiness',
  find: () =>
    findOnPath('litellm', ['--version'], (command, place) => ({
      command,
      args: `--config config.yaml --host 127.0.0.1 --port ${place.port} --num_workers 1 --telemetry False`.split(
        ' ',
      ),
      env: { HOME: place.directory, LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_MODE: 'PRODUCTION' },
      files: { 'config.yaml': config(place) },
    })),
}

const config = ({ upstreamPort }: Place): string => `
model_list:
  - model_name: bench
    litellm_params:
      model: openai/bench
      api_base: http://127.0.0.1:${upstreamPort}/v1
      api_key: none
`
