// The kinds of providers: how each is made, which servers each may be, and what is known of a server by its kind.
import type {
  ConversationFormat,
  HttpProvider,
  ProviderConfig,
  ProviderTraits,
} from '../../config/provider-types.ts'
import { isPassedOn } from '../../platform/boundary.ts'
import { createErrorReader, type ErrorReader } from '../error-meaning.ts'
import { createHttpProvider } from '../http-provider.ts'
import type { Provider, WholeAsStream } from '../provider.ts'
import { anthropic, anthropicTraits } from './anthropic.ts'
import { createEcho, echoSpeaks } from './echo.ts'
import { llamaCpp, llamaCppTraits } from './llama-cpp.ts'
import { kindsWith } from './native-formats.ts'
import { ollama, ollamaTraits } from './ollama.ts'
import { ollamaRefusalOf, tagsPath } from './ollama-report.ts'
import { compatibleTraits, isOpenAiItself, openAi, openAiTraits } from './openai.ts'
import { vllm, vllmTraits } from './vllm.ts'

export const errorReaders: Readonly<Record<HttpProvider['kind'], ErrorReader>> = {
  anthropic: createErrorReader([anthropic]),
  llama_cpp: createErrorReader([llamaCpp]),
  ollama: createErrorReader([ollama]),
  vllm: createErrorReader([vllm]),
  /** Any server that speaks OpenAI's protocol. */
  openai: createErrorReader([openAi, llamaCpp, ollama, vllm]),
}

/** @param userAgent is sent as `user-agent`. */
export function createProvider(config: ProviderConfig, userAgent: string): Provider {
  if (config.kind === 'echo') return createEcho(config.name)
  const { kind } = config
  return createHttpProvider(config, userAgent, {
    ...(kind === 'ollama' && {
      passesOn: (model: string) => isPassedOn(kind, model),
      modelPlaces: { path: tagsPath, refusalOf: ollamaRefusalOf },
    }),
    meaningOf: errorReaders[config.kind],
    speaks: speaksOf(config),
    traitsOf: traitsOf(config),
    wholeAsStream: wholeAsStreamOf(config),
  })
}

/** llama.cpp finishes a whole answer that nobody waits for any more. Without usage, no answer could be put together. */
function wholeAsStreamOf({ kind, wholeAsStream, includeUsage }: HttpProvider): WholeAsStream | undefined {
  if (wholeAsStream === 'never' || includeUsage === 'never') return undefined
  if (kind === 'llama_cpp') return 'progress'
  return wholeAsStream === 'always' ? 'plain' : undefined
}

/** What translations assume of a provider's models: what its kind is known for, and over it what the file says. */
export function traitsOf(config: Pick<HttpProvider, 'kind' | 'origin' | 'traits'>): Provider['traitsOf'] {
  const ofKind = traitsOfKind(config)
  const { traits } = config
  return remembered((model) => (traits === undefined ? ofKind(model) : { ...ofKind(model), ...traits }))
}

/** Clients may choose the names of models, behind a wildcard. */
const maxRemembered = 256

/** Every call needs them. */
function remembered(traitsOf: Provider['traitsOf']): Provider['traitsOf'] {
  const known = new Map<string, ProviderTraits>()
  return (model) => {
    const before = known.get(model)
    if (before !== undefined) return before
    if (known.size >= maxRemembered) known.clear()
    const traits = traitsOf(model)
    known.set(model, traits)
    return traits
  }
}

function traitsOfKind(config: Pick<HttpProvider, 'kind' | 'origin'>): (model: string) => ProviderTraits {
  switch (config.kind) {
    case 'anthropic':
      return anthropicTraits
    case 'llama_cpp':
      return () => llamaCppTraits
    case 'ollama':
      return () => ollamaTraits
    case 'vllm':
      return () => vllmTraits
    case 'openai': {
      if (isOpenAiItself(config)) return openAiTraits
      const traits = compatibleTraits(config)
      return () => traits
    }
    default:
      return config.kind satisfies never
  }
}

const conversationFormats: ReadonlySet<string> = new Set<ConversationFormat>(['chat', 'messages', 'response'])

/** Of the names of the formats of Ollama's own API. */
const ollamaPrefix = 'ollama_'

/** A route beside the Responses API: a server without the one lacks the other. */
const compaction = 'compaction'

type AnyProvider =
  | Pick<HttpProvider, 'kind' | 'origin' | 'speaks'>
  | Extract<ProviderConfig, { kind: 'echo' }>

/**
 * Whether a server speaks a format, as far as the file or its kind tells. Nearly all servers with OpenAI's API speak chat;
 * which other conversation formats they have depends on the server and its version.
 */
export function speaks(config: AnyProvider, format: string): boolean | undefined {
  return speaksOf(config)(format)
}

/** The same for every call: what depends on the provider alone is determined once. */
function speaksOf(config: AnyProvider): Provider['speaks'] {
  const ofServer = config.kind === 'echo' ? echoSpeaks : formatsOfServer(config)
  return (format) => (format === compaction ? ofServer('response') !== false : ofServer(format))
}

function formatsOfServer(config: Pick<HttpProvider, 'kind' | 'origin' | 'speaks'>): Provider['speaks'] {
  const formats: readonly string[] | undefined = config.speaks ?? formatsOfKind(config)
  return (format) => {
    if (format.startsWith(ollamaPrefix)) return config.kind === 'ollama'
    if (!conversationFormats.has(format)) {
      const having = kindsWith(format)
      if (having === undefined) return config.kind !== 'anthropic'
      return having.has(config.kind) && !isOpenAiItself(config)
    }
    if (formats !== undefined) return formats.includes(format)
    return format === 'chat' ? true : undefined
  }
}

function formatsOfKind(
  config: Pick<HttpProvider, 'kind' | 'origin'>,
): readonly ConversationFormat[] | undefined {
  if (config.kind === 'anthropic') return ['messages']
  return config.kind === 'openai' && isOpenAiItself(config) ? ['chat', 'response'] : undefined
}
