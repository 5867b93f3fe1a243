// What a trial call shows of a provider: whether it streams, whether it reports usage, how soon it begins.
import type { HttpProvider } from '../../config/types.ts'
import type { ProbeOutcome } from '../../upstream/probe.ts'
import { counted, type Finding, shortened, shownMs } from './finding.ts'
import {
  type Asked,
  failureTrouble,
  messageOf,
  quotable,
  type Trouble,
  troubleOf,
} from './provider-trouble.ts'
import { mediaTypeOf, type Trial } from './trial-call.ts'

type ReadStream = NonNullable<Trial['stream']>

export function callFindings(model: string, trial: Trial, asked: Asked): Finding[] {
  const { config, mask } = asked
  const { outcome, stream, firstByteMs } = trial
  const figures = { model }
  const streaming = ({ state, detail, fix }: Omit<Trouble, 'kind'>): Finding => {
    return { subject: 'streaming', state, detail: mask(`${model}: ${detail}`), fix, figures }
  }
  if (outcome.kind === 'failed')
    return [streaming({ state: 'fail', ...failureTrouble(outcome.failure, config) })]
  if (outcome.head.status !== 200) {
    const trouble = troubleOf(outcome.head, outcome.body, asked)
    // Those are said of the key.
    return trouble.kind === 'key' || trouble.kind === 'billing' ? [] : [streaming(trouble)]
  }
  if (stream === undefined) return [streaming(noStream(outcome, asked))]
  const isEndless = outcome.kind === 'cut'
  const ending = streaming(isEndless ? endless : endingOf(stream, mask))
  if (ending.state === 'fail') return [ending]
  const usage = isEndless && stream.usage === undefined ? [] : [usageFinding(trial, stream.usage, config)]
  if (firstByteMs === undefined) return [ending, ...usage]
  const times = { firstByteMs: Math.round(firstByteMs), totalMs: Math.round(outcome.totalMs) }
  const detail = `after ${shownMs(firstByteMs)}`
  return [ending, ...usage, { subject: 'first byte', state: 'ok', detail, figures: { ...figures, ...times } }]
}

const endless = {
  state: 'warn',
  detail: 'it goes on beyond max_tokens; the call was ended',
  fix: 'limits of tokens can not hold such a server back; use a newer version of it',
} as const

function noStream(
  outcome: Exclude<ProbeOutcome, { kind: 'failed' }>,
  { config: { name }, mask }: Asked,
): Omit<Trouble, 'kind'> {
  const type = mediaTypeOf(outcome)
  if (type === 'application/json') return wholeTrouble(outcome.body.toString(), name, mask)
  const seen = type === '' ? 'something without a content type' : shortened(type, 60)
  const fix = `see whether providers.${name}.base_url is the API's: it often ends in /v1`
  return { state: 'fail', detail: `${seen} comes in place of events`, fix }
}

/** JSON in place of events: the answer itself, an error, or what no model says. */
function wholeTrouble(body: string, provider: string, mask: Asked['mask']): Omit<Trouble, 'kind'> {
  const answer = parse(body)
  const { choices, error } = typeof answer === 'object' && answer !== null ? answer : {}
  // Written anew, so that no escape hides a secret.
  const text = mask(answer === undefined ? body.trim() : JSON.stringify(answer))
  if (Array.isArray(choices)) {
    const fix = 'clients that stream wait for the whole answer; see whether the server can be told to stream'
    return { state: 'warn', detail: 'a whole answer comes in place of a stream', fix }
  }
  if (error !== undefined && error !== null) {
    const said = messageOf(text)
    const detail = `an error with status 200 comes in place of events${said === '' ? '' : `: ${said}`}`
    return { state: 'fail', detail, fix: "look into that server's log" }
  }
  const kind = answer === undefined ? 'a body that is no JSON' : 'JSON that is no completion'
  const seen = text === '' ? 'an empty body' : `${kind} (${quotable(text)})`
  const fix = `see whether providers.${provider}.base_url is the API's: it often ends in /v1`
  return { state: 'fail', detail: `${seen} comes in place of events`, fix }
}

type Json = string | number | boolean | null | { readonly choices?: unknown; readonly error?: unknown }

/** Undefined for what is no JSON. */
function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function endingOf({ events, ending, errorData }: ReadStream, mask: Asked['mask']): Omit<Trouble, 'kind'> {
  const fix = "look into that server's log"
  if (events === 0) return { state: 'fail', detail: 'the stream has no event', fix }
  if (ending === 'complete') return { state: 'ok', detail: counted(events, 'event'), fix: undefined }
  if (ending === 'cut')
    return { state: 'fail', detail: `the stream breaks off after ${counted(events, 'event')}`, fix }
  const said = messageOf(mask(errorData))
  return { state: 'fail', detail: `the stream ends with an error${said === '' ? '' : `: ${said}`}`, fix }
}

function usageFinding(
  { askedUsage }: Trial,
  usage: ReadStream['usage'],
  { includeUsage }: HttpProvider,
): Finding {
  const subject = 'usage'
  if (usage !== undefined) {
    const { promptTokens, completionTokens } = usage
    const detail = `${promptTokens ?? '?'} tokens of prompt, ${completionTokens ?? '?'} of answer`
    const figures = {
      ...(promptTokens !== undefined && { promptTokens }),
      ...(completionTokens !== undefined && { completionTokens }),
    }
    return { subject, state: 'ok', detail, figures }
  }
  if (includeUsage === 'never')
    return { subject, state: 'skipped', detail: 'not asked for (include_usage: never)' }
  const why = askedUsage ? 'not reported' : 'it refuses stream_options'
  const fix = 'use a newer version of that server, or limit its models by rpm in place of tpm'
  return { subject, state: 'warn', detail: `${why}; limits of tokens go by estimates`, fix }
}
