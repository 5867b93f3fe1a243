// A request as the story needs it: which model, streamed or not, how large, and its bytes for a given target.
// The bytes are the client's own; only the model's name is spliced in where the provider calls it differently.
import { GatewayError } from '../errors.ts'
import { readString, scanJson } from '../http/json-scan.ts'

import { parseMediaType } from '../http/media-type.ts'
import { readField, scanMultipart } from '../http/multipart-scan.ts'
import { splice } from '../http/splice.ts'
import type { Dialect } from './dialect.ts'

export interface ModelRequest {
  /** As the client wrote it: a model, an alias or a name that a wildcard covers. */
  readonly model: string
  readonly isStream: boolean
  readonly contentType: string
  /** The identical buffer when the provider's name for the model is the client's. */
  bodyFor(providerModel: string): Buffer
}

/** Longer names are no names; they would only fill the log. */
const maxModelNameLength = 256

/**
 * Members that decide what a call costs and where it goes. Each may stand once and in its own spelling only, so that
 * the gateway and the provider can't read them differently.
 */
const guardedMembers: ReadonlySet<string> = new Set([
  'best_of',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'model',
  'n',
  'n_predict',
  'stream',
  'stream_options',
])

/** @throws GatewayError `invalid_request`, naming what is wrong and where. */
export function readRequest(dialect: Dialect, contentType: string | undefined, body: Buffer): ModelRequest {
  return dialect.body === 'json' ? readJsonRequest(body) : readMultipartRequest(contentType, body)
}

function readJsonRequest(body: Buffer): ModelRequest {
  if (body.length === 0) throw invalid('The body is empty; a JSON object with a "model" is expected.')
  const outcome = scanJson(body, guardedMembers)
  if (!outcome.ok) {
    throw invalid(`The body can't be taken: ${outcome.problem} (at byte ${outcome.offset}).`, outcome.param)
  }
  const { scan } = outcome
  const member = scan.members.get('model')
  if (member === undefined) throw invalid('The body has no "model".', 'model')
  const model = checkModel(readString(body, member))
  return {
    model,
    isStream: scan.members.get('stream')?.kind === 'true',
    contentType: 'application/json',
    bodyFor: (name) =>
      name === model ? body : splice(body, [{ at: member.value, bytes: JSON.stringify(name) }]),
  }
}

const guardedFields: ReadonlySet<string> = new Set(['model', 'n', 'stream'])

function readMultipartRequest(contentType: string | undefined, body: Buffer): ModelRequest {
  const boundary = parseMediaType(contentType)?.boundary
  if (boundary === undefined)
    throw invalid('The content-type of a multipart body must name its boundary.', 'content-type')
  const outcome = scanMultipart(body, boundary, guardedFields)
  if (!outcome.ok) throw invalid(`The multipart body can't be taken: ${outcome.problem}.`, outcome.param)
  const { fields } = outcome.scan
  const field = fields.get('model')
  if (field === undefined) throw invalid('The multipart body has no "model" part.', 'model')
  const model = checkModel(readField(body, field))
  const stream = fields.get('stream')
  return {
    model,
    isStream: stream !== undefined && readField(body, stream) === 'true',
    contentType: `multipart/form-data; boundary="${boundary}"`,
    bodyFor: (name) => (name === model ? body : splice(body, [{ at: field.value, bytes: name }])),
  }
}

function checkModel(model: string | undefined): string {
  if (model === undefined) throw invalid('"model" must be a string of valid Unicode.', 'model')
  if (model === '') throw invalid('"model" is empty.', 'model')
  if (model.length > maxModelNameLength) {
    throw invalid(`"model" is ${model.length} characters long; ${maxModelNameLength} are allowed.`, 'model')
  }
  return model
}

function invalid(message: string, param?: string): GatewayError {
  return new GatewayError('invalid_request', message, param === undefined ? {} : { param })
}
