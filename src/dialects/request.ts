// A request as a call needs it: its model, whether it is streamed, its size, and its bytes for a given target. The bytes
// are the client's own; only what must change is spliced in.
import type { MemberRule, RequestSize, Span } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { LargeBody, type SplicedBody } from '../bytes/large-body.ts'
import { maxNestedMembers } from '../bytes/json/member-edits.ts'
import type { PromptPieces } from './prompt-pieces.ts'
import { splice, type Splice, spliceParts } from '../bytes/splice.ts'

/** An object of options is parsed within one turn of the event loop: a longer one is refused. */
export const maxOptionsBytes = 16_384

/** What the model that answers a request has to be able to do. */
interface RequestNeeds {
  readonly hasImages: boolean
  readonly hasTools: boolean
  readonly asksThinking: boolean
}

/** What a request asks of a server besides an answer, or in its place. */
export interface ServerWishes {
  /** The member that changes how the server holds the model: its memory, its threads. Absent: none does. */
  readonly managing?: string
  /** The request names the slot of llama.cpp that is to answer it. Absent: it leaves the choice to the server. */
  readonly choosesSlot?: true
  /** There is nothing to answer: the request only loads the model, or unloads it. Absent: it asks for an answer. */
  readonly onlyLoads?: 'load' | 'unload'
}

export interface ModelRequest extends ServerWishes {
  /** As the client wrote it: a model, an alias or a name that a wildcard matches. */
  readonly model: string
  readonly isStream: boolean
  readonly contentType: string
  /** As it came, for translations. */
  readonly body: Buffer | LargeBody
  readonly size: RequestSize
  /** Where the prompt stands in the body. Found when asked for. */
  readonly promptPieces: PromptPieces
  /** Whether the gateway may request usage on this stream, because the client did not. */
  readonly mayAskUsage: boolean
  /** Whether the gateway may ask llama.cpp on this stream how far it is with the prompt. Absent: not. */
  readonly mayAskProgress?: boolean
  /** The service tier that the client requested, which may decide the price. Absent: none. */
  readonly serviceTier?: string | undefined
  /** The provider answers before it has done the work, which goes on unseen. Absent: it does not. */
  readonly isInBackground?: true
  /** The kind of object as which a provider that speaks the format keeps the response. Absent: it keeps none. */
  readonly storedAs?: 'chat_completion' | 'response' | undefined
  /** Absent: nothing that only some models can do. */
  readonly needs?: RequestNeeds
  /**
   * The identical buffer if nothing must change. A large body is returned in parts, which are valid until the call ends.
   * @param providerModel replaces the model's name.
   * @param asksUsage requests usage from the provider; only if `mayAskUsage`.
   * @param asksProgress only if `mayAskProgress`.
   * @param freesSlot leaves the choice of the slot to the server; only if `choosesSlot`.
   */
  bodyFor(
    providerModel: string,
    asksUsage: boolean,
    asksProgress?: boolean,
    freesSlot?: boolean,
  ): Buffer | SplicedBody
  /**
   * The same request with members that its model sets, adds and drops, in what is read of it and in what `bodyFor` returns;
   * `body` stays as it came. Absent: it has no members that could be changed.
   * @returns the error `invalid_request` if the rules would have to look at too many members.
   */
  readonly withMembers?: (rules: readonly MemberRule[]) => ModelRequest | GatewayError
  /** How many of those rules have changed something. Absent: none were applied. */
  readonly changedMembers?: number
  /**
   * Of a request for a whole answer: the body that asks for the same answer as a stream with usage.
   * @param asksProgress also asks how far the prompt is.
   * @param freesSlot as above.
   * @returns undefined if the request asks for something that only a whole answer has. Absent: no stream has all of it.
   */
  streamBodyFor?(
    providerModel: string,
    asksProgress: boolean,
    freesSlot?: boolean,
  ): Buffer | SplicedBody | undefined
}

/** Longer model names would only fill the log. */
export const maxModelNameLength = 256
/** Of a name of that length as JSON, if all of it are escapes. A longer value need not be decoded. */
const maxModelBytes = maxModelNameLength * 6 + 2

/**
 * The model's name.
 * @param at its position in the body.
 * @param decode returns undefined if it is not a text.
 */
export function checkModel(at: Span, decode: () => string | undefined): string | GatewayError {
  if (at.end - at.start > maxModelBytes) return modelTooLong()
  const model = decode()
  if (model === undefined) return invalidRequest('"model" must be a string of valid Unicode.', 'model')
  return checkModelName(model)
}

/** A model's name that a client has chosen. */
export function checkModelName(model: string): string | GatewayError {
  if (model === '') return invalidRequest('"model" is empty.', 'model')
  if (model.length > maxModelNameLength) return modelTooLong()
  return model
}

function modelTooLong(): GatewayError {
  return invalidRequest(`"model" is longer than the limit of ${maxModelNameLength} characters.`, 'model')
}

export function invalidRequest(message: string, param?: string): GatewayError {
  return new GatewayError('invalid_request', message, param === undefined ? {} : { param })
}

/** Of a request whose model has rules for members of its objects. */
export function tooManyMembers(): GatewayError {
  return invalidRequest(
    `The objects that the model's rules change have more than ${maxNestedMembers} members.`,
  )
}

export function bytesOf(body: Buffer | LargeBody): Buffer {
  return body instanceof LargeBody ? body.bytes : body
}

/** The same buffer when there are no edits. */
export function edited(body: Buffer | LargeBody, edits: readonly Splice[]): Buffer | SplicedBody {
  return body instanceof LargeBody ? { of: body, parts: spliceParts(body.bytes, edits) } : splice(body, edits)
}
