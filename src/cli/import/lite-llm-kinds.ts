// The kinds of providers of LiteLLM: the first segment of `model`.
import type { RawProvider } from '../../config/raw.ts'
import { cloudAddresses } from '../cloud-addresses.ts'

export interface LiteLlmKind {
  readonly kind?: RawProvider['kind']
  /** Where `api_base` is missing. */
  readonly baseUrl?: string
  /** The variables that LiteLLM reads where `api_key` is missing, the first that is set. */
  readonly keyVariables?: readonly string[]
  /** The variable that LiteLLM reads where `api_base` is missing. */
  readonly baseVariable?: string
  /** Its base has no version, and ours has: of `ollama`. */
  readonly needsVersion?: boolean
  /** Why it cannot be taken over. */
  readonly refusal?: string
  /** What is different here. */
  readonly change?: string
}

const signed = 'its requests are signed or need tokens of a cloud account, which the gateway does not make'
const otherApi =
  "it has an API of its own that the gateway does not speak; its vendor's OpenAI-compatible address can be a provider"

export const liteLlmKinds: ReadonlyMap<string, LiteLlmKind> = new Map<string, LiteLlmKind>([
  ['openai', { baseUrl: cloudAddresses.openai, keyVariables: ['OPENAI_API_KEY'] }],
  ['text-completion-openai', { baseUrl: cloudAddresses.openai, keyVariables: ['OPENAI_API_KEY'] }],
  ['custom_openai', {}],
  ['openai_like', {}],
  ['llamafile', {}],
  ['lm_studio', { baseVariable: 'LM_STUDIO_API_BASE', keyVariables: ['LM_STUDIO_API_KEY'] }],
  [
    'hosted_vllm',
    { kind: 'vllm', baseVariable: 'HOSTED_VLLM_API_BASE', keyVariables: ['HOSTED_VLLM_API_KEY'] },
  ],
  ['litellm_proxy', { baseVariable: 'LITELLM_PROXY_API_BASE', keyVariables: ['LITELLM_PROXY_API_KEY'] }],
  ['ollama', { kind: 'ollama', baseUrl: 'http://localhost:11434', needsVersion: true }],
  ['ollama_chat', { kind: 'ollama', baseUrl: 'http://localhost:11434', needsVersion: true }],
  ['anthropic', { kind: 'anthropic', keyVariables: ['ANTHROPIC_API_KEY'] }],
  ['openrouter', { baseUrl: cloudAddresses.openrouter, keyVariables: ['OPENROUTER_API_KEY'] }],
  ['groq', { baseUrl: cloudAddresses.groq, keyVariables: ['GROQ_API_KEY'] }],
  ['mistral', { baseUrl: cloudAddresses.mistral, keyVariables: ['MISTRAL_API_KEY'] }],
  ['deepseek', { baseUrl: cloudAddresses.deepseek, keyVariables: ['DEEPSEEK_API_KEY'] }],
  [
    'together_ai',
    {
      baseUrl: cloudAddresses.together,
      keyVariables: ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY', 'TOGETHERAI_API_KEY'],
    },
  ],
  [
    'fireworks_ai',
    {
      baseUrl: cloudAddresses.fireworks,
      keyVariables: ['FIREWORKS_API_KEY', 'FIREWORKS_AI_API_KEY'],
    },
  ],
  ['xai', { baseUrl: cloudAddresses.xai, keyVariables: ['XAI_API_KEY'] }],
  [
    'perplexity',
    { baseUrl: cloudAddresses.perplexity, keyVariables: ['PERPLEXITYAI_API_KEY', 'PERPLEXITY_API_KEY'] },
  ],
  ['cerebras', { baseUrl: cloudAddresses.cerebras, keyVariables: ['CEREBRAS_API_KEY'] }],
  ['deepinfra', { baseUrl: cloudAddresses.deepinfra, keyVariables: ['DEEPINFRA_API_KEY'] }],
  ['nvidia_nim', { baseUrl: cloudAddresses.nvidia_nim, keyVariables: ['NVIDIA_NIM_API_KEY'] }],
  ['sambanova', { baseUrl: cloudAddresses.sambanova, keyVariables: ['SAMBANOVA_API_KEY'] }],
  ['moonshot', { baseUrl: cloudAddresses.moonshot, keyVariables: ['MOONSHOT_API_KEY'] }],
  [
    'gemini',
    {
      baseUrl: cloudAddresses.gemini,
      keyVariables: ['GEMINI_API_KEY'],
      change: "calls go to Google's OpenAI-compatible address",
    },
  ],
  [
    'azure',
    {
      baseVariable: 'AZURE_API_BASE',
      keyVariables: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
      change: "calls go to Azure's v1 API, which needs no api_version",
    },
  ],
  [
    'azure_ai',
    { refusal: 'its address depends on the model; add it as a provider by its OpenAI-compatible address' },
  ],
  ['bedrock', { refusal: signed }],
  ['bedrock_converse', { refusal: signed }],
  ['sagemaker', { refusal: signed }],
  ['sagemaker_chat', { refusal: signed }],
  ['vertex_ai', { refusal: signed }],
  ['vertex_ai_beta', { refusal: signed }],
  ['watsonx', { refusal: signed }],
  ['databricks', { refusal: signed }],
  ['snowflake', { refusal: signed }],
  ['github_copilot', { refusal: signed }],
  ['cohere', { refusal: otherApi }],
  ['cohere_chat', { refusal: otherApi }],
  ['huggingface', { refusal: otherApi }],
  ['replicate', { refusal: otherApi }],
  ['ai21', { refusal: otherApi }],
  ['voyage', { refusal: otherApi }],
  ['auto_router', { refusal: 'the gateway chooses by rules (when) and by load; no model chooses' }],
])

/** The kind that LiteLLM guesses of a name without a known prefix. */
export function guessedKind(model: string): string | undefined {
  if (/^(?:gpt-|chatgpt-|o\d|text-embedding-|dall-e|whisper-|tts-|ft:gpt-)/.test(model)) return 'openai'
  if (model.startsWith('claude-')) return 'anthropic'
  return undefined
}
