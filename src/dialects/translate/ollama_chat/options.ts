// What a request of Ollama's API sets besides its prompt: sampling, thinking, the form of the answer.
// https://docs.ollama.com/modelfile#valid-parameters-and-values
import type { Effort } from '../../../config/provider-types.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { acceptedEffort, allEfforts } from '../efforts.ts'
import { type Members, memberIn } from '../members.ts'
import type { RequestContext } from './context.ts'

/** Options that have the same name and meaning in chat. */
const sameOptions = ['frequency_penalty', 'presence_penalty', 'seed', 'top_p'] as const

const knownOptions: ReadonlySet<string> = new Set([
  ...sameOptions,
  'num_predict',
  'stop',
  'temperature',
  'top_k',
])

type ChatMembers = Readonly<Record<string, Encodable | undefined>>

/** The members of a chat request for those of `options`. */
export function translateOptions(members: Members, context: RequestContext): ChatMembers {
  const { notes, traits } = context
  const value = memberIn(members, 'options')
  if (value !== undefined && value.kind !== 'object')
    notes.reject('options', 'options: an object is required.')
  const options: Members = value?.members() ?? new Map()
  notes.dropUnknown(options, knownOptions, 'options.')
  const same = sameOptions.map((name) => [name, memberIn(options, name)] as const)
  return {
    [traits.maxTokensField]: capOf(memberIn(options, 'num_predict')),
    temperature: temperatureOf(memberIn(options, 'temperature'), context),
    top_k: topKOf(memberIn(options, 'top_k'), context),
    ...Object.fromEntries(same),
    stop: stopOf(memberIn(options, 'stop'), context),
  }
}

/** −1 and −2 let the model end by itself, as a request without a cap does. */
function capOf(cap: JsonView | undefined): JsonView | undefined {
  return cap?.kind === 'number' && Number(cap.value()) <= 0 ? undefined : cap
}

function temperatureOf(temperature: JsonView | undefined, { traits }: RequestContext): Encodable | undefined {
  const isTooHigh = temperature?.kind === 'number' && Number(temperature.value()) > traits.maxTemperature
  return isTooHigh ? traits.maxTemperature : temperature
}

function topKOf(topK: JsonView | undefined, { traits, notes }: RequestContext): JsonView | undefined {
  if (topK === undefined || traits.hasTopK) return topK
  notes.drop('options.top_k')
  return undefined
}

function stopOf(stop: JsonView | undefined, { traits, notes, model }: RequestContext): JsonView | undefined {
  if (stop === undefined || stop.kind === 'string') return stop
  if (stop.kind !== 'array') {
    notes.reject('options.stop', 'options.stop: a text or a list of texts is required.')
    return undefined
  }
  const { length } = stop.elements()
  const { maxStopSequences: most = Infinity } = traits
  if (length > most) {
    const message = `options.stop: the provider of ${model} accepts at most ${most} stop sequences, not ${length}.`
    notes.refuse('options.stop', message)
  }
  return length === 0 ? undefined : stop
}

/** `true` names no effort; this is what models do on average. */
const plainEffort: Effort = 'medium'

/** The member of a chat request for `think`: `true`, `false` or an effort. */
export function translateThink(members: Members, { notes, traits }: RequestContext): ChatMembers {
  const think = memberIn(members, 'think')
  if (think === undefined) return {}
  const text = think.text()
  const wanted =
    think.kind === 'true'
      ? plainEffort
      : think.kind === 'false'
        ? 'none'
        : allEfforts.find((each) => each === text)
  if (wanted === undefined) {
    notes.reject('think', `think: true, false or one of ${allEfforts.join(', ')} is required.`)
    return {}
  }
  const effort = acceptedEffort(wanted, traits.efforts)
  if (effort === undefined) notes.drop('think')
  return { reasoning_effort: effort }
}

/** The member of a chat request for `format`: `"json"` or a schema. */
export function translateFormat(members: Members, { notes }: RequestContext): ChatMembers {
  const format = memberIn(members, 'format')
  const text = format?.text()
  if (format === undefined || text === '') return {}
  if (text === 'json') return { response_format: { type: 'json_object' } }
  if (format.kind === 'object') {
    // Not `strict`: OpenAI's strict schemas are a part of those that Ollama accepts.
    return { response_format: { type: 'json_schema', json_schema: { name: 'output', schema: format } } }
  }
  notes.reject('format', 'format: "json" or a JSON schema is required.')
  return {}
}

/** The members of a chat request for `logprobs` and `top_logprobs`, of which chat accepts the second only with the first. */
export function translateLogprobs(members: Members, { notes }: RequestContext): ChatMembers {
  const logprobs = memberIn(members, 'logprobs')
  const topLogprobs = memberIn(members, 'top_logprobs')
  if (logprobs?.kind === 'true') return { logprobs, top_logprobs: topLogprobs }
  if (logprobs !== undefined && logprobs.kind !== 'false') {
    notes.reject('logprobs', 'logprobs: true or false is required.')
  }
  if (topLogprobs !== undefined) notes.drop('top_logprobs')
  return {}
}
