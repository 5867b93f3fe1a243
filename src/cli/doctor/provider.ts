// One provider: can it be reached, does it take the key, has it the models, does it stream, does it report usage, and
// how soon does it begin.
import type { HttpProvider, ProviderConfig } from '../../config/types.ts'
import { createProbe, type Probe, type ProbeOutcome } from '../../upstream/probe.ts'
import type { LackingKey } from './credentials.ts'
import { callFindings } from './call-findings.ts'
import { type Finding, shownMs, type State } from './finding.ts'
import type { Examined } from './need.ts'
import { hasModel, modelFindings, type ModelList, parseModelList } from './model-list.ts'
import { type Asked, failureTrouble, type Trouble, troubleOf } from './provider-trouble.ts'
import { mediaTypeOf, type Trial, tryCall } from './trial-call.ts'

export interface Examination {
  readonly config: ProviderConfig
  /** The provider's names for the models that the configuration has from it; wildcards are not among them. */
  readonly models: readonly string[]
  readonly lacking: LackingKey | undefined
  /** Whether the call may be made, which takes a few tokens. */
  readonly mayCall: boolean
  /** How long the call may take, in place of what is usual. */
  readonly timeoutMs: number | undefined
  readonly userAgent: string
  /** How this program is called here. */
  readonly command: string
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** Told what is waited for. */
  readonly onWait: (what: string) => void
}

const listTimeoutMs = 10_000
/** The longest lists of brokers have about 1 MB. */
const maxListBytes = 8 * 1024 * 1024
/** A local server may have to read a model of many gigabytes from disk first. */
const callTimeoutMs = { local: 120_000, remote: 30_000 }

export async function examineProvider(examination: Examination): Promise<Examined> {
  const { config, userAgent, now } = examination
  if (config.kind === 'echo') {
    const figures = { provider: config.name }
    const builtIn = {
      subject: `${config.name}: reachable`,
      state: 'ok',
      detail: 'built in',
      figures,
    } as const
    return { config, findings: [builtIn], isAbsent: false }
  }
  const probe = createProbe(config, userAgent, now)
  try {
    const examiner = new Examiner(examination, config, probe)
    return { config, findings: await examiner.examine(), isAbsent: examiner.isAbsent }
  } finally {
    await probe.close()
  }
}

class Examiner {
  readonly #examination: Examination
  readonly #config: HttpProvider
  readonly #probe: Probe
  readonly #asked: Asked
  readonly #findings: Finding[] = []
  /** The list answered, so the key is good unless the list is for everybody. */
  #hasListed = false
  isAbsent = false

  constructor(examination: Examination, config: HttpProvider, probe: Probe) {
    this.#examination = examination
    this.#config = config
    this.#probe = probe
    this.#asked = { config, mask: (text) => probe.mask(text), command: examination.command }
  }

  async examine(): Promise<Finding[]> {
    const { timeoutMs = listTimeoutMs, onWait } = this.#examination
    onWait('its list of models')
    const outcome = await this.#probe.ask({
      path: '/models',
      timeoutMs: Math.min(timeoutMs, listTimeoutMs),
      maxBytes: maxListBytes,
    })
    if (!this.#noteReachable(outcome)) return this.#findings
    const list = this.#readList(outcome)
    const called = await this.#call(list)
    this.#noteKey(list, called)
    this.#noteModels(list, called)
    if (called.kind === 'called') {
      const { model, trial } = called
      this.#add(callFindings(model, trial, this.#asked))
    } else if (called.detail !== '') {
      this.#note('streaming', 'skipped', called.detail)
    }
    return this.#findings
  }

  #note(what: string, state: State, detail: string, more: Pick<Finding, 'fix' | 'figures'> = {}): void {
    this.#add([{ subject: what, state, detail, ...more }])
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

  /** What the provider said, fit to be shown. */
  #text(outcome: ProbeOutcome): string {
    return outcome.kind === 'failed' ? '' : this.#probe.mask(outcome.body.toString())
  }

  #noteReachable(outcome: ProbeOutcome): boolean {
    const address = this.#config.origin + this.#config.basePath
    if (outcome.kind === 'failed' && outcome.head === undefined) {
      const { detail, fix } = failureTrouble(outcome.failure, this.#config)
      this.isAbsent = outcome.failure.kind === 'unreachable'
      this.#note('reachable', 'fail', `${address}: ${this.#probe.mask(detail)}`, { fix })
      return false
    }
    const connectMs = this.#probe.connectMs()
    const shown = connectMs === undefined ? '' : ` (connected in ${shownMs(connectMs)})`
    const figures = connectMs === undefined ? {} : { connectMs: Math.round(connectMs) }
    this.#note('reachable', 'ok', address + shown, { figures })
    return true
  }

  #readList(outcome: ProbeOutcome): ReadList {
    if (outcome.kind === 'failed') {
      const trouble = {
        kind: 'other',
        state: 'fail',
        ...failureTrouble(outcome.failure, this.#config),
      } as const
      return { kind: 'trouble', trouble }
    }
    const text = this.#text(outcome)
    const { status } = outcome.head
    if (status === 404 || status === 405 || status === 501)
      return { kind: 'none', detail: `it has no list of models (${status})` }
    if (status !== 200)
      return { kind: 'trouble', trouble: troubleOf(outcome.head, outcome.body, this.#asked) }
    const list = parseModelList(text)
    if (list !== undefined) {
      this.#hasListed = true
      return { kind: 'list', list }
    }
    if (outcome.kind === 'cut') return { kind: 'none', detail: 'its list of models is too long to be read' }
    const isPage = mediaTypeOf(outcome) === 'text/html'
    const detail = `${isPage ? 'a web page' : 'something else'} comes in place of a list of models`
    const fix = `see whether providers.${this.#config.name}.base_url is the API's: it often ends in /v1`
    return { kind: 'trouble', trouble: { kind: 'other', state: 'fail', detail, fix } }
  }

  /** Makes the call, unless it is known to say nothing new; then says why not. */
  async #call(list: ReadList): Promise<Called> {
    const { models, mayCall, lacking, timeoutMs, now, onWait } = this.#examination
    const skip = (detail: string): Called => ({ kind: 'skipped', detail })
    // Said of the list or the key already.
    if ((list.kind === 'trouble' && list.trouble.state === 'fail') || lacking !== undefined) return skip('')
    if (!mayCall) return skip('no call was made (--no-calls)')
    const speaking = models.filter((model) => !isForOtherUse(model))
    if (speaking.length === 0) return skip('the configuration names no model of it that chats')
    const known = list.kind === 'list' ? list.list : undefined
    const isComplete = known !== undefined && (known.server === 'ollama' || known.server === 'vllm')
    const there = speaking.find((model) => known !== undefined && hasModel(known, model))
    const model = there ?? (isComplete ? undefined : speaking[0])
    if (model === undefined) return skip('none of the models that chat is there')
    const { isLocal, includeUsage } = this.#config
    onWait(`an answer of ${model}${isLocal ? ', which it may have to load first' : ''}`)
    const usual = isLocal ? callTimeoutMs.local : callTimeoutMs.remote
    const asksUsage = includeUsage !== 'never'
    const trial = await tryCall(this.#probe, { model, asksUsage, timeoutMs: timeoutMs ?? usual, now })
    return { kind: 'called', model, trial }
  }

  #noteKey(list: ReadList, called: Called): void {
    const { lacking } = this.#examination
    const source = this.#config.apiKey?.source
    if (lacking !== undefined) return this.#note('key', 'skipped', lacking.reason, { fix: lacking.fix })
    const outcome = called.kind === 'called' ? called.trial.outcome : undefined
    const answer = outcome?.kind === 'failed' ? undefined : outcome
    const troubles = [
      list.kind === 'trouble' ? list.trouble : undefined,
      answer === undefined || answer.head.status === 200
        ? undefined
        : troubleOf(answer.head, answer.body, this.#asked),
    ]
    const trouble = troubles.find((found) => found?.kind === 'key' || found?.kind === 'billing')
    if (trouble?.kind === 'key') {
      const which = source === undefined ? 'a request without a key is' : `the key from ${source} is`
      return this.#note('key', 'fail', `${which} ${trouble.detail}`, { fix: trouble.fix })
    }
    if (trouble !== undefined) return this.#note('account', 'fail', trouble.detail, { fix: trouble.fix })
    const hasAnswered = answer?.head.status === 200
    if (source === undefined) {
      if (hasAnswered || this.#hasListed) this.#note('key', 'ok', 'none is given, and none wanted')
      return
    }
    if (hasAnswered) return this.#note('key', 'ok', `${source} is accepted`)
    if (!this.#hasListed) return this.#note('key', 'skipped', 'nothing has shown whether it is accepted')
    this.#note('key', 'ok', `the list of models comes with ${source} (some providers give it to everybody)`)
  }

  #noteModels(list: ReadList, called: Called): void {
    if (list.kind === 'none') return this.#note('models', 'skipped', list.detail)
    if (list.kind === 'trouble') {
      const { kind, state, detail, fix } = list.trouble
      // Said of the key already.
      if (kind !== 'key' && kind !== 'billing') this.#note('models', state, detail, { fix })
      return
    }
    // A provider that answers for a model has it, listed or not (aliases, deployments).
    const answered = called.kind === 'called' && called.trial.stream !== undefined ? called.model : undefined
    this.#add(modelFindings(this.#examination.models, list.list, answered))
  }
}

/** The detail is empty where the reason is told by other findings. */
type Called =
  | { readonly kind: 'called'; readonly model: string; readonly trial: Trial }
  | { readonly kind: 'skipped'; readonly detail: string }

type ReadList =
  | { readonly kind: 'list'; readonly list: ModelList }
  | { readonly kind: 'none'; readonly detail: string }
  | { readonly kind: 'trouble'; readonly trouble: Trouble }

/** By their names, models that do not chat. */
function isForOtherUse(model: string): boolean {
  return /embed|whisper|transcri|tts|speech|rerank|moderation|dall-?e|image|diffusion|flux|(?:^|[-/_])(?:bge|e5|gte|clip)[-_]/i.test(
    model,
  )
}
