// Names of OpenTelemetry's conventions for generative AI, in one table: those of semantic conventions 1.36, which instruments
// keep to by default, and the latest (https://github.com/open-telemetry/semantic-conventions-genai, in development).
import type { TracingConfig } from '../../config/observe-types.ts'

interface GenAiNames {
  readonly operation: string
  readonly provider: string
  readonly requestModel: string
  readonly inputTokens: string
  readonly outputTokens: string
  /** Undefined: the conventions have no such name. These three are parts of the two before them. */
  readonly cachedTokens: string | undefined
  readonly cacheWriteTokens: string | undefined
  readonly reasoningTokens: string | undefined
  readonly isStream: string | undefined
  /** In seconds. */
  readonly firstChunk: string | undefined
}

const old: GenAiNames = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.system',
  requestModel: 'gen_ai.request.model',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cachedTokens: undefined,
  cacheWriteTokens: undefined,
  reasoningTokens: undefined,
  isStream: undefined,
  firstChunk: undefined,
}

export const genAiNames: Readonly<Record<TracingConfig['conventions'], GenAiNames>> = {
  'semconv-1.36': old,
  latest: {
    ...old,
    provider: 'gen_ai.provider.name',
    cachedTokens: 'gen_ai.usage.cache_read.input_tokens',
    cacheWriteTokens: 'gen_ai.usage.cache_write.input_tokens',
    reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
    isStream: 'gen_ai.request.stream',
    firstChunk: 'gen_ai.response.time_to_first_chunk',
  },
}

/** `gen_ai.operation.name` by the client's dialect; others are named as in the log. */
export const operations: ReadonlyMap<string, string> = new Map([
  ['chat', 'chat'],
  ['completion', 'text_completion'],
  ['embedding', 'embeddings'],
  ['image', 'generate_content'],
  ['image_edit', 'generate_content'],
  ['image_variation', 'generate_content'],
  ['messages', 'chat'],
  ['ollama_chat', 'chat'],
  ['ollama_embed', 'embeddings'],
  ['ollama_embeddings', 'embeddings'],
  ['ollama_generate', 'text_completion'],
  ['response', 'chat'],
  ['speech', 'generate_content'],
  ['transcription', 'generate_content'],
  ['translation', 'generate_content'],
])

/** Ends of hosts, and the names that both conventions have for who is there, or that differ. */
const knownHosts: readonly (readonly [end: string, latest: string, old?: string])[] = [
  ['amazonaws.com', 'aws.bedrock'],
  ['openai.azure.com', 'azure.ai.openai', 'az.ai.openai'],
  ['services.ai.azure.com', 'azure.ai.inference', 'az.ai.inference'],
  ['aiplatform.googleapis.com', 'gcp.vertex_ai'],
  ['api.anthropic.com', 'anthropic'],
  ['api.cohere.ai', 'cohere'],
  ['api.cohere.com', 'cohere'],
  ['api.deepseek.com', 'deepseek'],
  ['api.groq.com', 'groq'],
  ['api.mistral.ai', 'mistral_ai'],
  ['api.moonshot.ai', 'moonshot_ai'],
  ['api.moonshot.cn', 'moonshot_ai'],
  ['api.openai.com', 'openai'],
  ['api.perplexity.ai', 'perplexity'],
  ['api.x.ai', 'x_ai', 'xai'],
  ['generativelanguage.googleapis.com', 'gcp.gemini'],
  ['ml.cloud.ibm.com', 'ibm.watsonx.ai'],
]

/** Who is at a provider's host; by the provider's name where the conventions know none. */
export function systemOf(host: string, name: string, conventions: TracingConfig['conventions']): string {
  const known = knownHosts.find(([end]) => host === end || /^.*[.-]$/.test(restBefore(host, end)))
  if (known === undefined) return name
  const [, latest, before = latest] = known
  return conventions === 'latest' ? latest : before
}

/** Also of `us-central1-aiplatform.googleapis.com`. Empty: the host does not end so. */
function restBefore(host: string, end: string): string {
  return host.endsWith(end) ? host.slice(0, -end.length) : ''
}
