// Examines one provider: can it be reached, does it accept the key, does it have the models, does it stream and report
// usage, and how soon does its first byte come?
import type { HttpProvider, ProviderConfig } from '../../config/provider-types.ts'
import { essenceOf } from '../../http/media-type.ts'
import type { Clock } from '../../platform/clock.ts'
import { modelListPath } from '../../dialects/anthropic/model-pages.ts'
import { type ModelList, readModelList } from '../../dialects/openai/model-list.ts'
import { speaks } from '../../upstream/providers/kinds.ts'
import type { Boundary } from '../../platform/boundary.ts'
import { createProbe, type Probe, type ProbeOutcome, tryConnectionWithin } from '../../upstream/probe.ts'
import type { ProviderFailure } from '../../upstream/provider.ts'
import type { MissingKey } from './credentials.ts'
import { callFindings } from './call-findings.ts'
import {
  baseUrlFix,
  diagnoseFailure,
  diagnoseResponse,
  type Diagnosis,
  type ProviderContext,
} from './diagnosis.ts'
import { durationText } from '../../platform/duration.ts'
import type { Finding, State } from './finding.ts'
import { contextFindings, hasModel, kindFindings, modelFindings } from './model-list.ts'
import type { ProviderReport } from './severity.ts'
import { type Trial, type TrialFormat, trialFormats, tryCall } from './trial-call.ts'

export interface ProviderExamination {
  readonly config: ProviderConfig
  /** The provider's names for the models that the configuration uses; without wildcards. */
  readonly models: readonly string[]
  /** The narrowest one of the models that use it. */
  readonly boundary: Boundary
  readonly missingKey: MissingKey | undefined
  /** How to provide the optional key that the configuration refers to; undefined if there is none, or it was found. */
  readonly optionalKeyFix?: string | undefined
  /** Whether a trial call may be made, which costs a few tokens. */
  readonly mayCall: boolean
  /** How long the trial call may take; undefined: the default for the provider. */
  readonly timeoutMs: number | undefined
  readonly userAgent: string
  /** How to call this program from the current shell. */
  readonly command: string
  readonly now: Clock['now']
  /** Called with what the examination waits for. */
  readonly onWait: (what: string) => void
}

const listTimeoutMs = 10_000
/** The longest lists of brokers have about 1 MB. */
const maxListBytes = 8 * 1024 * 1024
/** Longer names in a list are ignored, in UTF-16 code units. */
const maxNameLength = 256
/** A local server may first have to load many gigabytes from disk. */
const callTimeoutMs = { local: 120_000, remote: 30_000 }

export async function examineProvider(examination: ProviderExamination): Promise<ProviderReport> {
  const { config, userAgent, now } = examination
  if (config.kind === 'echo') {
    const figures = { provider: config.name }
    const builtIn = {
      subject: `${config.name}: reachable`,
      state: 'ok',
      detail: 'built in',
      figures,
    } as const
    return { config, findings: [builtIn], isUnreachable: false }
  }
  const probe = createProbe(config, userAgent, now)
  try {
    const examiner = new Examiner(examination, config, probe)
    return { config, findings: await examiner.examine(), isUnreachable: examiner.isUnreachable }
  } finally {
    await probe.close()
  }
}

class Examiner {
  readonly #examination: ProviderExamination
  readonly #config: HttpProvider
  readonly #probe: Probe
  readonly #context: ProviderContext
  readonly #findings: Finding[] = []
  /** The list was returned, so the key is valid unless the list needs none. */
  #hasListed = false
  isUnreachable = false

  constructor(examination: ProviderExamination, config: HttpProvider, probe: Probe) {
    this.#examination = examination
    this.#config = config
    this.#probe = probe
    const { command, optionalKeyFix } = examination
    this.#context = { config, mask: (text) => probe.mask(text), command, optionalKeyFix }
  }

  async examine(): Promise<Finding[]> {
    const { timeoutMs = listTimeoutMs, onWait } = this.#examination
    if (this.#mayOnlyConnect()) {
      const failure = await this.#probe.connect(Math.min(timeoutMs, listTimeoutMs))
      if (!this.#addReachable(failure)) return this.#findings
      await this.#addBoundary()
      this.#addOne('models', 'skipped', notAsked)
      return this.#findings
    }
    onWait('its list of models')
    const outcome = await this.#probe.send({
      path: this.#config.kind === 'anthropic' ? modelListPath() : '/models',
      timeoutMs: Math.min(timeoutMs, listTimeoutMs),
      maxBytes: maxListBytes,
    })
    const isUnanswered = outcome.kind === 'failed' && outcome.head === undefined
    if (!this.#addReachable(isUnanswered ? outcome.failure : undefined)) return this.#findings
    await this.#addBoundary()
    const list = this.#readList(outcome)
    const called = await this.#call(list)
    this.#addKey(list, called)
    this.#addModels(list, called)
    if (called.kind === 'called') {
      const { model, trial } = called
      this.#add(callFindings(model, trial, this.#context))
    } else if (called.detail !== '') {
      this.#addOne('streaming', 'skipped', called.detail)
    }
    return this.#findings
  }

  #addOne(subject: string, state: State, detail: string, more: Pick<Finding, 'fix' | 'figures'> = {}): void {
    this.#add([{ subject, state, detail, ...more }])
  }

  #add(findings: readonly Finding[]): void {
    const { name } = this.#config
    for (const { subject, figures, ...rest } of findings) {
      this.#findings.push({
        ...rest,
        subject: `${name}: ${subject}`,
        figures: { provider: name, ...figures },
      })
    }
  }

  /** Behind llama-swap any request loads a model, so a local server is not asked unless the gateway asks it anyway. */
  #mayOnlyConnect(): boolean {
    const { isLocal, discoverModels, healthCheck } = this.#config
    return !this.#examination.mayCall && isLocal && discoverModels !== true && healthCheck === undefined
  }

  #addReachable(failure: ProviderFailure | undefined): boolean {
    const { origin, basePath, query = '', proxy } = this.#config
    const address = origin + basePath + query + (proxy === undefined ? '' : ` through ${proxy.origin}`)
    if (failure !== undefined) {
      const { detail, fix } = diagnoseFailure(failure, this.#config)
      this.isUnreachable = failure.kind === 'unreachable'
      this.#addOne('reachable', 'fail', `${address}: ${this.#probe.mask(detail)}`, { fix })
      return false
    }
    const connectMs = this.#probe.connectMs()
    const shown = connectMs === undefined ? '' : ` (connected in ${durationText(connectMs)})`
    const figures = connectMs === undefined ? {} : { connectMs: Math.round(connectMs) }
    this.#addOne('reachable', 'ok', address + shown, { figures })
    return true
  }

  /** Whether calls of models with a boundary are kept inside, wherever the provider's name leads now. */
  async #addBoundary(): Promise<void> {
    const { boundary, timeoutMs = listTimeoutMs } = this.#examination
    if (boundary === 'any') return
    const figures = { boundary }
    const failure = await tryConnectionWithin(this.#config, boundary, Math.min(timeoutMs, listTimeoutMs))
    if (failure === undefined) {
      return this.#addOne('boundary', 'ok', `calls stay inside (${boundary}), through no proxy`, { figures })
    }
    const { detail, fix } = diagnoseFailure(failure, this.#config)
    const what = `calls of models with boundary: ${boundary} are refused: ${this.#probe.mask(detail)}`
    const outside = `remove the provider from those models, or correct what its name resolves to`
    const isOutside = failure.code === 'ADDRESS_NOT_ALLOWED'
    this.#addOne('boundary', 'fail', what, { fix: isOutside ? outside : fix, figures })
  }

  #readList(outcome: ProbeOutcome): ListResult {
    if (outcome.kind === 'failed') {
      const diagnosis = diagnoseFailure(outcome.failure, this.#config)
      return { kind: 'failed', diagnosis: { kind: 'other', state: 'fail', ...diagnosis } }
    }
    const { status } = outcome.head
    if (status === 404 || status === 405 || status === 501)
      return { kind: 'none', detail: `it does not list its models (${status})` }
    if (status !== 200)
      return { kind: 'failed', diagnosis: diagnoseResponse(outcome.head, outcome.body, this.#context) }
    const list = readModelList(outcome.body, maxNameLength, this.#context.mask)
    if (list !== undefined) {
      this.#hasListed = true
      return { kind: 'list', list }
    }
    if (outcome.kind === 'cut') return { kind: 'none', detail: 'its list of models is too long' }
    const isPage = essenceOf(outcome.head.headers['content-type']) === 'text/html'
    const detail = `returned ${isPage ? 'an HTML page' : 'something else'} instead of a list of models`
    const fix = baseUrlFix(this.#config.name)
    return { kind: 'failed', diagnosis: { kind: 'other', state: 'fail', detail, fix } }
  }

  /** Makes the trial call, unless it could show nothing new. */
  async #call(list: ListResult): Promise<CallResult> {
    const { models, mayCall, missingKey, timeoutMs, now, onWait } = this.#examination
    const skip = (detail: string): CallResult => ({ kind: 'skipped', detail })
    // The findings about the list or the key give the reason.
    if ((list.kind === 'failed' && list.diagnosis.state === 'fail') || missingKey !== undefined)
      return skip('')
    if (!mayCall) return skip('no call was made (--no-calls)')
    const format = trialFormatOf(this.#config)
    if (format === undefined) return skip('it speaks neither chat nor Messages')
    const chatModels = models.filter((model) => !isForOtherUse(model))
    if (chatModels.length === 0) return skip('the configuration uses no chat model of this provider')
    const known = list.kind === 'list' ? list.list : undefined
    const isComplete = known !== undefined && (known.server === 'ollama' || known.server === 'vllm')
    const listed = chatModels.find((model) => known !== undefined && hasModel(known, model))
    const model = listed ?? (isComplete ? undefined : chatModels[0])
    if (model === undefined) return skip('no chat model is available')
    const { isLocal, includeUsage } = this.#config
    onWait(`a response of ${model}${isLocal ? ', which it may have to load first' : ''}`)
    const defaultMs = isLocal ? callTimeoutMs.local : callTimeoutMs.remote
    const asksUsage = includeUsage !== 'never'
    const options = { format, model, asksUsage, timeoutMs: timeoutMs ?? defaultMs, now }
    const trial = await tryCall(this.#probe, options)
    return { kind: 'called', model, trial }
  }

  #addKey(list: ListResult, called: CallResult): void {
    const { missingKey } = this.#examination
    const source = this.#config.apiKey?.source
    if (missingKey !== undefined)
      return this.#addOne('key', 'skipped', missingKey.reason, { fix: missingKey.fix })
    const outcome = called.kind === 'called' ? called.trial.outcome : undefined
    const response = outcome?.kind === 'failed' ? undefined : outcome
    const diagnoses = [
      list.kind === 'failed' ? list.diagnosis : undefined,
      response === undefined || response.head.status === 200
        ? undefined
        : diagnoseResponse(response.head, response.body, this.#context),
    ]
    const diagnosis = diagnoses.find((found) => found?.kind === 'key' || found?.kind === 'billing')
    if (diagnosis?.kind === 'key') {
      const request = source === undefined ? 'a request without a key was' : `the key from ${source} was`
      return this.#addOne('key', 'fail', `${request} ${diagnosis.detail}`, { fix: diagnosis.fix })
    }
    if (diagnosis !== undefined)
      return this.#addOne('account', 'fail', diagnosis.detail, { fix: diagnosis.fix })
    const hasSucceeded = response?.head.status === 200
    if (source === undefined) {
      if (hasSucceeded || this.#hasListed) this.#addOne('key', 'ok', 'none configured, none required')
      return
    }
    if (hasSucceeded) return this.#addOne('key', 'ok', `${source} is accepted`)
    if (!this.#hasListed)
      return this.#addOne('key', 'skipped', 'no response has shown whether it is accepted')
    const caveat = 'some providers do not check the key for that'
    this.#addOne('key', 'ok', `${source} is accepted for the list of models (${caveat})`)
  }

  #addModels(list: ListResult, called: CallResult): void {
    if (list.kind === 'none') return this.#addOne('models', 'skipped', list.detail)
    if (list.kind === 'failed') {
      const { kind, state, detail, fix } = list.diagnosis
      // Those are findings about the key.
      if (kind !== 'key' && kind !== 'billing') this.#addOne('models', state, detail, { fix })
      return
    }
    // A model that a call reached exists, listed or not (aliases, deployments).
    const calledModel =
      called.kind === 'called' && called.trial.stream !== undefined ? called.model : undefined
    const { models } = this.#examination
    this.#add(modelFindings(models, list.list, calledModel))
    this.#add(contextFindings(models, list.list, this.#config.contextLength))
    this.#add(kindFindings(list.list, this.#config))
  }
}

const notAsked = 'not asked, because a request may load a model (--no-calls without discover_models)'

/** `detail` is empty if other findings give the reason. */
type CallResult =
  | { readonly kind: 'called'; readonly model: string; readonly trial: Trial }
  | { readonly kind: 'skipped'; readonly detail: string }

type ListResult =
  | { readonly kind: 'list'; readonly list: ModelList }
  | { readonly kind: 'none'; readonly detail: string }
  | { readonly kind: 'failed'; readonly diagnosis: Diagnosis }

/** Undefined: a call in neither format would show anything. */
function trialFormatOf(config: HttpProvider): TrialFormat | undefined {
  if (speaks(config, 'chat') === true) return trialFormats.chat
  return speaks(config, 'messages') === true ? trialFormats.messages : undefined
}

/** Whether the name suggests a model that does not chat: embeddings, audio, images. */
function isForOtherUse(model: string): boolean {
  return /embed|whisper|transcri|tts|speech|rerank|moderation|dall-?e|image|diffusion|flux|(?:^|[-/_])(?:bge|e5|gte|clip)[-_]/i.test(
    model,
  )
}
