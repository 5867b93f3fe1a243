import { globSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Contender, Place } from '../contender.ts'
import { findOnPath } from '../contender.ts'

/** Set up as its documentation says (docs.litellm.ai: proxy/configs, proxy/cli). */
export const litellm: Contender = {
  name: 'LiteLLM',
  setup:
    'one worker, on uvloop and httptools if they are installed, `LITELLM_MODE=PRODUCTION`, errors logged only, no keys, no database, no telemetry, no retries, no cooldowns; `openai/` for chat, `hosted_vllm/` with `use_chat_completions_api` for Messages and Responses; `allowed_openai_params: [user]`, which it drops otherwise. It is asked for 1,000 open streams only: more take it too long to open',
  entrances: {
    chat: { path: '/v1/chat/completions', model: 'bench' },
    messages: { path: '/v1/messages', model: 'translated' },
    responses: { path: '/v1/responses', model: 'translated' },
  },
  isRival: true,
  readyPath: '/health/readiness',
  maxStreams: 1000,
  find: () =>
    findOnPath('litellm', versionBeside, (command, place) => ({
      command,
      args: `--config config.yaml --host 127.0.0.1 --port ${place.port} --num_workers 1 --telemetry False`.split(
        ' ',
      ),
      env: {
        HOME: place.directory,
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        LITELLM_MODE: 'PRODUCTION',
        LITELLM_LOG: 'ERROR',
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
      },
      files: { 'config.yaml': config(place) },
    })),
}

/** Of the package that the program belongs to: to ask the program takes it as long as to start. */
function versionBeside(program: string): string | undefined {
  const installed = join(dirname(realpathSync(program)), '../lib/python*/site-packages/litellm-*.dist-info')
  return /litellm-([\d.]+)\.dist-info$/.exec(globSync(installed)[0] ?? '')?.[1]
}

/**
 * `user` says which answer a call wants, and LiteLLM sends it only for models that it knows. A refusal takes a model out of
 * use for seconds (docs.litellm.ai: proxy/reliability), and the check asks for one.
 */
const config = ({ upstreamPort }: Place): string => `
model_list:
${['openai', 'hosted_vllm']
  .map(
    (provider) => `  - model_name: ${provider === 'openai' ? 'bench' : 'translated'}
    litellm_params:
      model: ${provider}/bench
      api_base: http://127.0.0.1:${upstreamPort}/chat-only/v1
      api_key: none
      allowed_openai_params: [user]
${provider === 'openai' ? '' : '      use_chat_completions_api: true\n'}`,
  )
  .join('')}
router_settings:
  disable_cooldowns: true
  num_retries: 0
`
