// A multipart request of OpenAI's API: audio and images with their parameters.
import type { Splice } from '../../bytes/splice.ts'
import { GatewayError } from '../../errors.ts'
import { soleParameter } from '../../http/media-type.ts'
import { type FormField, readField, scanMultipart } from '../../bytes/multipart.ts'
import type { ReceivedRequest } from '../dialect.ts'
import { noPieces } from '../prompt-pieces.ts'
import { bytesOf, checkModel, checkModelName, edited, invalidRequest, type ModelRequest } from '../request.ts'

/** Of a field that is read as a number or a word. */
const maxWordBytes = 64

/** RFC 2046 §5.1.1. */
const maxBoundaryLength = 70

const guardedFields: ReadonlySet<string> = new Set(['model', 'n', 'prompt', 'stream'])

export function readMultipartRequest(
  hasOutputTokens: boolean,
  { contentType = '', body: received, model: named }: ReceivedRequest,
  defaultModel?: string,
): ModelRequest | GatewayError {
  const body = bytesOf(received)
  const boundary = soleParameter(contentType, 'boundary')
  if (boundary === undefined || boundary.length > maxBoundaryLength) {
    const message = 'must have exactly one boundary, made of the characters that RFC 2046 allows'
    return invalidRequest(`The content-type of a multipart body ${message}.`, 'content-type')
  }
  const outcome = scanMultipart(body, boundary, guardedFields)
  if (!outcome.ok) return invalidRequest(`Invalid multipart body: ${outcome.problem}.`, outcome.param)
  const { fields } = outcome.scan
  const field = fields.get('model')
  const other = field === undefined ? (named ?? defaultModel) : named
  if (field === undefined && other === undefined) {
    return invalidRequest('The multipart body has no "model" part.', 'model')
  }
  const inBody = field && checkModel(field.value, () => readField(body, field))
  const model = other === undefined ? inBody! : checkFormModel(other)
  if (model instanceof GatewayError) return model
  const sizeOf = (name: string) => {
    const { start, end } = fields.get(name)?.value ?? { start: 0, end: 0 }
    return end - start
  }
  const wordIn = (name: string) => {
    const part = fields.get(name)
    return part === undefined || sizeOf(name) > maxWordBytes ? '' : (readField(body, part) ?? '')
  }
  return {
    model,
    isStream: wordIn('stream') === 'true',
    // As it came: all parsers find the same boundary in it.
    contentType,
    body: received,
    size: {
      textBytes: sizeOf('prompt'),
      mediaCount: 1,
      messageCount: 0,
      tokenIdCount: 0,
      promptCount: 1,
      maxOutputTokens: hasOutputTokens ? undefined : 0,
      choices: Math.max(1, Number.parseInt(wordIn('n'), 10) || 1),
    },
    promptPieces: noPieces,
    mayAskUsage: false,
    bodyFor: (name) => edited(received, name === inBody ? [] : [modelSplice(name, field, boundary)]),
  }
}

/** A line break in a name that is inserted could end its part. */
function checkFormModel(named: string): string | GatewayError {
  if (/\p{Cc}/u.test(named)) return invalidRequest('"model" must not contain control characters.', 'model')
  return checkModelName(named)
}

function modelSplice(name: string, field: FormField | undefined, boundary: string): Splice {
  if (field !== undefined) return { at: field.value, bytes: name }
  const part = `--${boundary}\r\ncontent-disposition: form-data; name="model"\r\n\r\n${name}\r\n`
  return { at: { start: 0, end: 0 }, bytes: part }
}
