// What a trial call shows about a provider: whether it streams and reports usage, and how soon its first byte comes.
import type { HttpProvider } from '../../config/provider-types.ts'
import { essenceOf } from '../../http/media-type.ts'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { ProbeOutcome } from '../../upstream/probe.ts'
import { counted } from '../output.ts'
import {
  baseUrlFix,
  diagnoseFailure,
  diagnoseResponse,
  type Diagnosis,
  errorMessageOf,
  type ProviderContext,
  quotable,
  serverLogFix,
} from './diagnosis.ts'
import { durationText } from '../../platform/duration.ts'
import { type Finding, shortened } from './finding.ts'
import type { Trial } from './trial-call.ts'

type ReadStream = NonNullable<Trial['stream']>
type StreamDiagnosis = Omit<Diagnosis, 'kind'>

export function callFindings(model: string, trial: Trial, context: ProviderContext): Finding[] {
  const { config, mask } = context
  const { outcome, stream, firstByteMs } = trial
  const figures = { model }
  const streaming = ({ state, detail, fix }: StreamDiagnosis): Finding => {
    return { subject: 'streaming', state, detail: mask(`${model}: ${detail}`), fix, figures }
  }
  if (outcome.kind === 'failed')
    return [streaming({ state: 'fail', ...diagnoseFailure(outcome.failure, config) })]
  if (outcome.head.status !== 200) {
    const diagnosis = diagnoseResponse(outcome.head, outcome.body, context)
    // Those are findings about the key.
    return diagnosis.kind === 'key' || diagnosis.kind === 'billing' ? [] : [streaming(diagnosis)]
  }
  if (stream === undefined) return [streaming(diagnoseMissingStream(outcome, context))]
  const isEndless = outcome.kind === 'cut'
  const ending = streaming(isEndless ? endless : diagnoseEnding(stream, mask))
  if (ending.state === 'fail') return [ending]
  const usage = isEndless && stream.usage === undefined ? [] : [usageFinding(trial, stream.usage, config)]
  if (firstByteMs === undefined) return [ending, ...usage]
  const times = { firstByteMs: Math.round(firstByteMs), totalMs: Math.round(outcome.totalMs) }
  const detail = `after ${durationText(firstByteMs)}`
  return [ending, ...usage, { subject: 'first byte', state: 'ok', detail, figures: { ...figures, ...times } }]
}

const endless = {
  state: 'warn',
  detail: 'the stream continued beyond max_tokens and was cancelled',
  fix: 'token limits have no effect on such a server; upgrade it',
} as const

function diagnoseMissingStream(
  { head, body }: Exclude<ProbeOutcome, { kind: 'failed' }>,
  { config: { name }, mask }: ProviderContext,
): StreamDiagnosis {
  const type = essenceOf(head.headers['content-type'])
  if (type === 'application/json') return diagnoseJson(body.toString(), name, mask)
  const received = type === '' ? 'a response without a content type' : shortened(type, 60)
  return { state: 'fail', detail: insteadOfStream(received), fix: baseUrlFix(name) }
}

function insteadOfStream(received: string): string {
  return `returned ${received} instead of an event stream`
}

/** JSON instead of a stream: a whole response, an error, or JSON of something else. */
function diagnoseJson(body: string, provider: string, mask: ProviderContext['mask']): StreamDiagnosis {
  const value = parseJson(body)
  const { choices, type, error } = membersOf(value)
  // Encoded again, because escapes in the original could hide a secret from the mask.
  const text = mask(value === undefined ? body.trim() : JSON.stringify(value))
  if (Array.isArray(choices) || type === 'message') {
    const fix = 'streaming clients have to wait for the whole response; check whether the server can stream'
    return { state: 'warn', detail: insteadOfStream('a whole response'), fix }
  }
  if (error !== undefined && error !== null) {
    const message = errorMessageOf(text)
    const detail = `returned an error with status 200${message === '' ? '' : `: ${message}`}`
    return { state: 'fail', detail, fix: serverLogFix }
  }
  const kind = value === undefined ? 'invalid JSON' : 'JSON that is not a completion'
  const received = text === '' ? 'an empty body' : `${kind} (${quotable(text)})`
  return { state: 'fail', detail: insteadOfStream(received), fix: baseUrlFix(provider) }
}

function diagnoseEnding(
  { events, ending, errorData }: ReadStream,
  mask: ProviderContext['mask'],
): StreamDiagnosis {
  const failed = (detail: string): StreamDiagnosis => ({ state: 'fail', detail, fix: serverLogFix })
  if (events === 0) return failed('the stream has no events')
  if (ending === 'complete') return { state: 'ok', detail: counted(events, 'event'), fix: undefined }
  if (ending === 'cut') return failed(`the stream was cut off after ${counted(events, 'event')}`)
  const message = errorMessageOf(mask(errorData))
  return failed(`the stream ended with an error${message === '' ? '' : `: ${message}`}`)
}

function usageFinding(
  { askedUsage }: Trial,
  usage: ReadStream['usage'],
  { includeUsage }: HttpProvider,
): Finding {
  const subject = 'usage'
  if (usage !== undefined) {
    const { promptTokens, completionTokens } = usage
    const detail = `${promptTokens ?? '?'} prompt tokens, ${completionTokens ?? '?'} completion tokens`
    const figures = {
      ...(promptTokens !== undefined && { promptTokens }),
      ...(completionTokens !== undefined && { completionTokens }),
    }
    return { subject, state: 'ok', detail, figures }
  }
  if (includeUsage === 'never')
    return { subject, state: 'skipped', detail: 'not requested (include_usage: never)' }
  const reason = askedUsage ? 'not reported' : 'the server refuses stream_options'
  const fix = 'upgrade that server, or limit its models by rpm instead of tpm'
  return { subject, state: 'warn', detail: `${reason}; token limits rely on estimates`, fix }
}
