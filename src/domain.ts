// Nouns that leaves share, and what bounds them; the words are the ones of ARCHITECTURE.md.

/** Who sent a call. `id` is the key for everything counted per client and what the log shows. */
export interface Client {
  /** `key:NAME` with a key, `user:NAME` where the operating system told us, `ip:ADDRESS` else. */
  readonly id: string
  /** Unix user, address or identity that it came through, where `id` is another: a key, an identity. */
  readonly via?: string
  /** What it may use. Undefined: whatever the models allow. */
  readonly terms?: ClientTerms
  /** Of the key's record: `k_…`. */
  readonly keyId?: string
  /** Of the secret that was presented: a key has two of them while it is rotated. */
  readonly secretId?: string
  /** What it is counted by in the place of its id, where clients have pseudonyms. */
  readonly countedAs?: string
  /** May see what all clients use. Limits and budgets bind it too. */
  readonly isMaster?: true
}

/** What one client may use, of a key or of an entry of `clients:`. An absent limit does not limit. */
export interface ClientTerms {
  /** Of the key or the entry. */
  readonly name: string
  /** Names and patterns (`openrouter/*`) of models. Undefined: every model. */
  readonly models: readonly string[] | undefined
  /** Requests in any 60 seconds. */
  readonly rpm?: number
  /** Tokens, prompt and completion together, in any 60 seconds. */
  readonly tpm?: number
  /** Calls that may be under way at once. */
  readonly maxParallelRequests?: number
  readonly budgets: readonly Budget[]
  /** How far away its calls may be answered. */
  readonly boundary?: 'local' | 'private' | 'any'
  /** Whether it may use routes that pass to one provider, besides model calls. */
  readonly routes?: boolean
}

/** The windows of budgets: of the calendar, or all time. */
export const budgetPeriods = ['day', 'week', 'month', 'total'] as const

/** What may be spent in one window of the calendar. */
export interface Budget {
  readonly unit: 'usd' | 'tokens'
  /** nano-USD or tokens; a whole number. */
  readonly limit: number
  readonly per: (typeof budgetPeriods)[number]
}

/** A call that a budget applies to, as the ledger would record it if the gateway were killed meanwhile. */
export interface SpendingCall {
  readonly requestId: string
  /** `Client.id`. */
  readonly client: string
  /** The name of the client's key, and the id of the secret that was presented. */
  readonly key: string | undefined
  readonly secret: string | undefined
  readonly via: string | undefined
  readonly dialect: string
  readonly model: string | undefined
}

/** Whose budget: `name` is `key:ID`, `client:ID` or `total`; `entry` that of the key or of the entry of `clients:`. */
export interface SpendScope {
  readonly name: string
  readonly entry: string
}

/** What a call has reserved of budgets. `nano` and `tokens` grow while it runs. */
export interface OpenSpending {
  /** Unique in its process. */
  readonly id: number
  readonly sinceMs: number
  readonly nano: number
  readonly tokens: number
  readonly demand: {
    readonly scopes: readonly SpendScope[]
    readonly promptTokens: number
    readonly call: SpendingCall
  }
}

/** What was spent of one scope by one call, in whole nano-USD and tokens. */
export interface Charge {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly scope: SpendScope
  readonly requestId: string
  readonly nano: number
  readonly tokens: number
  /** Of `OpenSpending`, where the call may have been recorded as one under way. */
  readonly hold?: number
}

/** Learns of all that is reserved and spent, in order. Returns at once, and never throws. */
export interface SpendJournal {
  /** Something was reserved, or more of it. */
  held(spending: OpenSpending): void
  /** It was replaced by what was spent of its scopes. */
  charged(spending: OpenSpending, charges: readonly Charge[]): void
  /** What was spent has changed in another way: the journal asks for the balance. */
  rebased(): void
}

/** What is spent of one scope in its current windows, the latest start first. */
export interface ScopeBalance {
  readonly scope: SpendScope
  /** Half open, in milliseconds since 1970, on whole quarters of an hour; from 0 to `Infinity`: all time. */
  readonly windows: readonly (readonly [startMs: number, endMs: number, nano: number, tokens: number])[]
}

/** What knows all that is spent. */
export interface SpendSource {
  /** Grows with each change, over restarts too: of two copies the one with the larger number is the later one. */
  readonly revision: number
  balance(): readonly ScopeBalance[]
}

/** What was spent of one scope in windows of the calendar. */
export interface SpentInWindows extends SpendScope {
  readonly windows: readonly (readonly [per: Budget['per'], startMs: number, nano: number, tokens: number])[]
}

/** What is spent of one scope in its current windows, and reserved by calls under way. */
export interface ScopeSpending extends SpentInWindows {
  readonly nano: number
  readonly tokens: number
}

/** One place where a model can be had: a provider and that provider's name for the model. */
export interface Target {
  readonly provider: string
  /** The provider's name for the model; goes upstream in place of the one that the client asked for. */
  readonly model: string
  /** Lower tiers are tried first. At least 1. */
  readonly tier: number
  /** Share of the calls within a tier, relative to its neighbours. At least 1. */
  readonly weight: number
  /** What it costs. Absent: what the model or the provider does. */
  readonly price?: PriceSetting
  /** As the file says it of this model at this provider; absent: as of the provider, or as the server reports. */
  readonly contextLength?: number
  readonly takes?: readonly Ability[]
}

/** What each token costs, in whole pico-USD (10⁻¹² USD): 1 USD per 1,000,000 tokens is 1,000,000. */
export interface TokenRates {
  readonly input: number
  /** Read from the provider's cache. */
  readonly cachedInput: number
  /** Written to the provider's cache. */
  readonly cacheWrite: number
  /** The same, to be kept for an hour. */
  readonly hourCacheWrite: number
  readonly output: number
  readonly reasoning: number
  /** Of each call, whatever its tokens; in pico-USD. */
  readonly request: number
}

/** Rates that depend on the length of the prompt. */
export interface Tariff {
  readonly rates: TokenRates
  /** For calls whose prompt has more tokens than this, all of their tokens included; in ascending order. */
  readonly above: readonly { readonly inputTokens: number; readonly rates: TokenRates }[]
}

/** What a model costs. */
export interface Price extends Tariff {
  /** By the name of the service tier (`flex`, `priority`), where it is not the usual one. */
  readonly serviceTiers: ReadonlyMap<string, Tariff>
}

/** `reported`: what the provider itself reports for each call. */
export type PriceSetting = 'free' | 'reported' | Price

/** Where the price of a call comes from. */
export type PriceSource = 'target' | 'model' | 'provider' | 'list' | 'reported' | 'free'

/** A half-open range of bytes in a buffer. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Why a target is tried last (routing/target-health.ts). `broken`: it failed by itself (500), truncated its response, or sent an
 * invalid one. `not_started`: its server is one that the gateway starts, and could not.
 */
export const failureKinds = [
  'auth',
  'billing',
  'broken',
  'loading',
  'missing_model',
  'not_started',
  'overloaded',
  'rate_limit',
  'timeout',
  'unreachable',
] as const

export type FailureKind = (typeof failureKinds)[number]

/** One limit as clients see it. */
export interface Quota {
  readonly limit: number
  /** Whole, at least 0. */
  readonly remaining: number
  /** Milliseconds until nothing counts any more. */
  readonly resetMs: number
}

/** What is left of the limits of a call: of several limits the one with the least left. A limit that is not set is absent. */
export interface LimitStatus {
  readonly requests: Quota | undefined
  readonly tokens: Quota | undefined
}

/** No call takes more tokens: a larger count is a provider's mistake, or an attack on the limits, and is ignored. */
export const maxPlausibleTokens = 100_000_000

/** What a provider counts apart, because it has a price of its own. Undefined: it does not report it. */
export interface UsageParts {
  /** Of the prompt: read from the provider's cache. */
  readonly cachedTokens?: number | undefined
  /** Of the prompt: written to the provider's cache. */
  readonly cacheWriteTokens?: number | undefined
  /** Of what was written: to be kept for an hour, which Anthropic charges more for. */
  readonly hourCacheWriteTokens?: number | undefined
  /** Of the output: reasoning. Some servers count it beside the output instead. */
  readonly reasoningTokens?: number | undefined
  /** What the provider charges for the call, in whole nano-USD (10⁻⁹ USD). */
  readonly reportedCostNano?: number | undefined
  /** The service tier that the provider has used, which may decide the price. At most 32 characters. */
  readonly serviceTier?: string | undefined
  /** What the server has needed for the part of the prompt that was not cached, and for the output, in milliseconds. */
  readonly promptMs?: number | undefined
  readonly outputMs?: number | undefined
}

/** Tokens of one call. All counts are whole numbers, at least 0. */
export interface Usage extends UsageParts {
  readonly promptTokens: number
  readonly completionTokens: number
  /** What is charged. At least the sum of the other two when the provider counts more kinds. */
  readonly totalTokens: number
}

/** Limits of one model. An absent one does not limit. */
export interface ModelLimits {
  /** Requests in any 60 seconds. */
  readonly rpm?: number
  /** Tokens, prompt and completion together, in any 60 seconds. */
  readonly tpm?: number
  /** Calls that may be under way at once. */
  readonly maxParallelRequests?: number
  readonly whenLimited: 'reject' | 'wait'
  /** How long a call may wait in line, in milliseconds. */
  readonly maxWaitMs: number
  /** The file says so: then it also bounds the wait for a server that is to be started. Absent: it is the default. */
  readonly isMaxWaitSet?: true
  /** Set by `rate_limit_settings.default`, for want of an entry of the model's own. */
  readonly isDefault?: true
}

/** What of a request's body bears on the tokens that it will take. Counts are whole numbers, at least 0. */
export interface RequestSize {
  /** UTF-8 bytes of text: contents, prompts, tool schemas. Without data URLs and audio. */
  readonly textBytes: number
  /** Images and audio parts. */
  readonly mediaCount: number
  readonly messageCount: number
  /** Prompt tokens that the client sent as numbers: an exact count. */
  readonly tokenIdCount: number
  /** Prompts in one request, each answered by itself; 0 counts as 1. */
  readonly promptCount: number
  /** The client's cap on output; undefined without one, 0 where the answer is not made of tokens. */
  readonly maxOutputTokens: number | undefined
  /** Answers per prompt: the largest of `n`, `best_of` and llama.cpp's `n_cmpl`. */
  readonly choices: number
}

/** Status and headers of a response. Header names are in lower case. */
export interface ResponseHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What becomes of the members of a name, of which an object may have several. No two rules of an object have one name. */
export type MemberRule =
  | { readonly kind: 'drop'; readonly name: string }
  /** `set`: in place of whatever is there. `json` is the value. */
  | { readonly kind: 'set'; readonly name: string; readonly json: string }
  /** Only where the object has no such member, and none of `unless`, which mean the same. */
  | {
      readonly kind: 'default'
      readonly name: string
      readonly json: string
      readonly unless?: readonly string[]
    }
  /**
   * Rules for the object that is the member's value. Where it is missing, it is added if a rule adds something; another
   * value than an object is replaced if a rule sets something, and otherwise stays.
   */
  | { readonly kind: 'within'; readonly name: string; readonly rules: readonly MemberRule[] }
/** What a model accepts or does. */
export const abilities = ['text', 'image', 'audio', 'tools', 'thinking', 'embedding'] as const

export type Ability = (typeof abilities)[number]

/** Whether a server has a model in memory. `sleeping`: it was put aside and comes back with the next call. */
export type ModelState = 'loaded' | 'loading' | 'unloaded' | 'sleeping'

/** What is known of one model at one provider. Absent: it is unknown. */
export interface KnownModel {
  /** Tokens of one call, prompt and answer together. */
  readonly contextLength?: number | undefined
  /** What it is not known to lack. */
  readonly takes?: ReadonlySet<Ability> | undefined
  readonly state?: ModelState | undefined
  /** Calls that the server works at together, of this model. */
  readonly slots?: number | undefined
  /** Bytes of the server's memory for prompts that no slot holds. */
  readonly cacheBytes?: number | undefined
}

/** What a server reports of itself, apart from its list of models. */
export interface ReportedServer {
  /** Calls that it works at together, all models in total. Absent: it reports none, or each model has its own. */
  readonly slots?: number | undefined
  /** It has put its model aside and loads it with the next call. */
  readonly isSleeping?: boolean | undefined
  /** Of whatever model is asked for. Absent: it serves several. */
  readonly anyModel?: KnownModel | undefined
  /** By the server's name for each. */
  readonly models?: ReadonlyMap<string, KnownModel> | undefined
}

/** A model as its provider lists it. The names are checked (dialects/openai/model-list.ts). */
export interface ListedModel {
  /** The name in requests to the provider. */
  readonly id: string
  /** Further names of the same model. */
  readonly aliases: readonly string[]
  /** What its entry says of it. Absent: nothing that passes. */
  readonly facts?: ModelFacts
  /** The server accepts further spellings of the name, as Ollama does. */
  readonly hasLooseName?: true
}

/** What a provider's list says of a model, for clients: the members that pass, under the names there. */
export type ModelFacts = { readonly [member: string]: ModelFact }

export type ModelFact = number | boolean | string | readonly string[] | ModelFacts
