// Members of a model server's own requests that change the server for all of its clients, and not only this call's answer.
// https://docs.ollama.com/api/generate, https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
import { isObject } from '../bytes/json/parse.ts'
import { LargeBody } from '../bytes/large-body.ts'
import { MemberNames } from '../bytes/json/member-names.ts'
import { readJson, scanJson } from '../bytes/json/scan.ts'
import { JsonScanner } from '../bytes/json/scanner.ts'
import type { JsonMember } from '../bytes/json/types.ts'
import { GatewayError } from '../errors.ts'
import { parseDurationMs } from '../http/duration.ts'
import { bytesOf, invalidRequest, maxOptionsBytes, type ServerWishes } from './request.ts'

/** Names that count as management, by their values. Each may occur once, in its exact spelling. */
export const managementMembers = ['id_slot', 'keep_alive', 'options'] as const

/** Ollama's options with which it loads a model: another value makes it load the model again, for everybody. */
const loading =
  /^(?:num_(?!predict$|keep$).*|f16_kv|logits_all|low_vram|main_gpu|numa|use_mlock|use_mmap|vocab_only)$/

/**
 * The first member that counts as management in a model call: `keep_alive` that unloads a model or pins it, and `options.num_*`
 * but for the two that bind only the answer. Undefined: none does.
 */
export function managementIn(body: Buffer, members: ReadonlyMap<string, JsonMember>): string | undefined {
  const keepAlive = members.get('keep_alive')
  if (keepAlive !== undefined && keepingOf(body, keepAlive) !== undefined) return 'keep_alive'
  const options = members.get('options')
  return options === undefined ? undefined : loadingOption(body, options)
}

/**
 * What a model call wishes of the server. OpenAI's formats have only the slot, which llama.cpp reads in all of them. It says
 * where an answer's cache is to be, and nothing about the answer: editors send one with every request, unasked
 * (https://github.com/ggml-org/llama.vim), so that it is left out, not refused, where it is not allowed.
 */
export function serverWishes(
  body: Buffer,
  members: ReadonlyMap<string, JsonMember>,
): ServerWishes | undefined {
  const managing = managementIn(body, members)
  const choosesSlot = hasChosenSlot(body, members)
  if (managing === undefined && !choosesSlot) return undefined
  return { ...(managing !== undefined && { managing }), ...(choosesSlot && { choosesSlot }) }
}

const wanted = new MemberNames(managementMembers)

/** For a large body: reads it as it arrives, for `managementInBody`. */
export function managementScannerOf(bytes: Buffer): JsonScanner {
  return new JsonScanner(bytes, wanted)
}

/** The same of a body that is scanned for nothing else; an error for one that a server could read differently. */
export function managementInBody(received: Buffer | LargeBody): string | GatewayError | undefined {
  const body = bytesOf(received)
  const scanned = received instanceof LargeBody ? received.scan : undefined
  const outcome = scanned ?? scanJson(body, wanted)
  if (outcome.ok) return passingManagementIn(body, outcome.scan.members)
  return invalidRequest(`Invalid JSON body: ${outcome.problem} (at byte ${outcome.offset}).`, outcome.param)
}

/**
 * The refusal of what changes a server.
 * @param what of the request: a member, or its method and path.
 * @param provider its name.
 */
export function managementNotAllowed(what: string, provider: string): GatewayError {
  const hint = `providers.${provider}.allow_management: true allows it to every client that may use the provider.`
  return new GatewayError(
    'management_not_allowed',
    `${what} changes the server for all of its clients. ${hint}`,
  )
}

/**
 * What a `keep_alive` does to the model that others use, too: it unloads it after less than a second, or pins it for longer
 * than a day, also without end. Ollama reads seconds, or a duration as Go writes it: `5m`, `1h30m`. What is not understood is
 * taken for one of them, and so is a number that is not plain: Ollama multiplies it, which may overflow. Undefined: neither.
 */
export function keepingOf(body: Buffer, { kind, value }: JsonMember): 'pin' | 'unload' | undefined {
  if (kind === 'null') return undefined
  const isShort = value.end - value.start <= maxDurationBytes
  const ms = isShort ? msOf(kind, body.toString('utf8', value.start, value.end)) : undefined
  if (ms === undefined) return body.subarray(value.start, value.end).includes(MINUS) ? 'pin' : 'unload'
  if (ms < minKeptMs) return 'unload'
  return ms > maxKeptMs ? 'pin' : undefined
}

/** @param text the value as JSON. */
function msOf(kind: JsonMember['kind'], text: string): number | undefined {
  if (kind === 'number') return plainNumber.test(text) ? Number(text) * 1_000 : undefined
  const written = kind === 'string' ? duration.exec(text)?.[1] : undefined
  return written === undefined ? undefined : parseDurationMs(written, { nowMs: 0, plainUnit: 's' })
}

const MINUS = 0x2d
const [minKeptMs, maxKeptMs] = [1_000, 86_400_000]
const maxDurationBytes = 64
const plainNumber = /^\d+(?:\.\d+)?$/
const duration = /^"((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)"$/

/** Also the slot, because nothing is left out of what passes as it is. */
function passingManagementIn(body: Buffer, members: ReadonlyMap<string, JsonMember>): string | undefined {
  return managementIn(body, members) ?? (hasChosenSlot(body, members) ? 'id_slot' : undefined)
}

function hasChosenSlot(body: Buffer, members: ReadonlyMap<string, JsonMember>): boolean {
  const slot = members.get('id_slot')
  return slot !== undefined && slot.kind !== 'null' && !isAnySlot(body, slot)
}

/** As JSON: llama.cpp chooses the slot itself. */
export const anySlot = '-1'

function isAnySlot(body: Buffer, { kind, value }: JsonMember): boolean {
  return kind === 'number' && body.toString('latin1', value.start, value.end) === anySlot
}

function loadingOption(body: Buffer, options: JsonMember): string | undefined {
  if (options.kind !== 'object') return undefined
  if (options.value.end - options.value.start > maxOptionsBytes) return 'options'
  const value = readJson(body, options)
  if (!isObject(value)) return undefined
  const name = Object.keys(value).find((each) => loading.test(each) && value[each] !== null)
  return name === undefined ? undefined : `options.${name}`
}
