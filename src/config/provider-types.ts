// A checked configuration: the servers behind the gateway.
import type { Ability, PriceSetting } from '../domain.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { Secret } from './secret.ts'
import type { ServiceConfig } from './service-types.ts'

export type ProviderConfig = EchoProvider | HttpProvider

/** Built in, returns the last message; for trying out tunnels, CORS and limits. */
interface EchoProvider {
  readonly kind: 'echo'
  readonly name: string
}

/** A server that is asked over HTTP. */
export interface HttpProvider {
  /** Which server it is; `openai`: any that speaks OpenAI's protocol. */
  readonly kind: 'anthropic' | 'llama_cpp' | 'ollama' | 'openai' | 'vllm'
  readonly name: string
  /** Scheme, host and port; this provider's key is sent nowhere else. */
  readonly origin: string
  /** Path of the base URL without a trailing slash: `/v1`, or empty. */
  readonly basePath: string
  /** Path of the server's root, without a trailing slash. Absent: `basePath` without a trailing `/v1`. */
  readonly rootPath?: string
  /** Of the base URL, with its `?`; goes with every request. Absent: none. */
  readonly query?: string
  /**
   * Where a name may lead that is asked over plain HTTP: each connection is made only if the name has no other address.
   * Absent: the base URL has an address, or TLS vouches for the name.
   */
  readonly plainHttp?: 'private' | 'anywhere'
  /** The narrowest boundary that calls of it can be kept in. Absent: none, they may go anywhere. */
  readonly boundary?: Exclude<Boundary, 'any'>
  /** What leads to the provider. Absent: connections are made directly. */
  readonly proxy?: ProxyConfig
  /** True for a loopback or private address, and a name for one: longer timeouts, shorter cool-downs. */
  readonly isLocal: boolean
  readonly apiKey: Secret | undefined
  /** Which header carries the key; `bearer` is `authorization: Bearer KEY`. */
  readonly auth: 'bearer' | { readonly header: string }
  /** Additional headers of every request to this provider; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string | Secret])[]
  readonly includeUsage: 'auto' | 'always' | 'never'
  /** Whether whole answers are asked for as streams. Absent: where its kind does not notice that a client has left. */
  readonly wholeAsStream?: 'always' | 'never'
  /** The conversation formats that it is said to speak, and no others. Absent: known from its kind, or probed. */
  readonly speaks?: readonly ConversationFormat[]
  /** What differs from its kind's traits. Absent: nothing. */
  readonly traits?: Partial<ProviderTraits>
  readonly timeouts: Timeouts
  /** `auto`: as many as the server reports, or is seen to work at together. */
  readonly maxParallelRequests: number | 'auto' | undefined
  /** Of its models, in tokens of one call. Absent: as the server reports. */
  readonly contextLength?: number
  /** What its models can do. Absent: as the server reports. */
  readonly takes?: readonly Ability[]
  /** A GET of `path` below the base URL, or after a second slash below the server's root, every `intervalMs`; absent: health is inferred from calls only. */
  readonly healthCheck?: { readonly path: string; readonly intervalMs: number } | undefined
  /** Offer the models that the provider lists, besides the configured ones. Absent: no. */
  readonly discoverModels?: boolean
  /** Whether requests may change the server for all of its clients. Absent: no. */
  readonly allowsManagement?: boolean
  /** What its models cost that have no price of their own. Absent: what the list of prices has. */
  readonly price?: PriceSetting
  /** How its server is started on demand. Absent: it is somebody else's matter. */
  readonly service?: ServiceConfig
  /** Whether requests carry the trace of their call. Absent: to a local provider, while spans are recorded. */
  readonly traceContext?: 'always' | 'never'
}

/** Formats between which calls are translated, by the name of the dialect. */
export type ConversationFormat = 'chat' | 'messages' | 'response'

/** How much a model is to think, weakest first (OpenAI's `reasoning_effort`, Anthropic's `output_config.effort`). */
export const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

export type Effort = (typeof efforts)[number]

/** In what a provider's dialect differs from server to server, as far as translations depend on it. */
export interface ProviderTraits {
  /** The member for the cap of the output; OpenAI's newer models refuse the old name. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens'
  /** Of a request to Anthropic whose client set no cap. At least 1. */
  readonly defaultMaxTokens: number
  /** What becomes of a system message after the first turn. `fold`: it goes into the text of a user turn, marked. */
  readonly systemInMiddle: 'keep' | 'fold'
  /** The role of instructions. */
  readonly systemRole: 'system' | 'developer'
  /** Whether several texts of one message may be parts. False: they are joined by a blank line. */
  readonly hasTextParts: boolean
  /** The member for reasoning in the history; `none`: it is dropped. */
  readonly reasoningField: 'reasoning_content' | 'reasoning' | 'none'
  /** Of which turns: of all, or of those after the last message that a person wrote. */
  readonly reasoningTurns: 'all' | 'last'
  /** The efforts that are accepted; others become the next weaker one, or the weakest. Empty: the member is dropped. */
  readonly efforts: readonly Effort[]
  /** Whether `<think>…</think>` at the start of an answer's text is its reasoning. */
  readonly hasThinkTags: boolean
  /** How a request makes an Anthropic model think: models before 4.6 accept a budget only. */
  readonly thinking: 'adaptive' | 'budget'
  /** The highest temperature; higher ones become it. */
  readonly maxTemperature: number
  /** More stop sequences are refused. Absent: any number is accepted. */
  readonly maxStopSequences?: number | undefined
  /** Whether `top_k` is a member. */
  readonly hasTopK: boolean
  /** Whether a tool's result may hold images. False: they follow in a user message. */
  readonly hasToolImages: boolean
  /** Whether documents may be parts of a message (`type: file`). False: they are refused. */
  readonly hasFileParts: boolean
  /** Whether an answer may be begun by the client, in a last message of the assistant. False: it is refused. */
  readonly hasPrefill: boolean
  /**
   * Members of OpenAI's own platform that are sent: `metadata`, `prompt_cache_key`, `safety_identifier`, `service_tier`,
   * `store`, `verbosity`. False: they are dropped.
   */
  readonly hasPlatformMembers: boolean
  /** Whether Claude Code's `x-anthropic-billing-header` block is kept; it breaks prefix caches elsewhere. */
  readonly keepsBillingBlock: boolean
  /** Whether a request to Anthropic that marks nothing for the cache asks to have its prompt cached. */
  readonly cachesPrompts: boolean
}

export interface ProxyConfig {
  readonly kind: 'http' | 'https' | 'socks5'
  /** `http://proxy.example:3128`. */
  readonly origin: string
  /** `USER:PASSWORD`. Absent: the proxy requires none. */
  readonly userInfo?: Secret
  /** `file`, or `env HTTPS_PROXY`. */
  readonly source: string
}

/** In milliseconds; 0 disables a timeout. */
export interface Timeouts {
  /** Until the TCP and TLS connection is established. */
  readonly connectMs: number
  /** From sending the request to the first byte of the response. */
  readonly firstByteMs: number
  /** Longest pause between two bytes of the response. */
  readonly idleMs: number
  /** The whole call, all of its attempts together; time in the waiting line has its own limit. */
  readonly totalMs: number
}
