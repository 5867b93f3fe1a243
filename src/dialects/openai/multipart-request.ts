// A multipart request of OpenAI's API: audio and images with their parameters.
import type { LargeBody } from '../../bytes/large-body.ts'
import { GatewayError } from '../../errors.ts'
import { soleParameter } from '../../http/media-type.ts'
import { readField, scanMultipart } from '../../bytes/multipart.ts'
import { bytesOf, checkModel, edited, invalidRequest, type ModelRequest } from '../request.ts'

/** Of a field that is read as a number or a word. */
const maxWordBytes = 64

/** RFC 2046 §5.1.1. */
const maxBoundaryLength = 70

const guardedFields: ReadonlySet<string> = new Set(['model', 'n', 'prompt', 'stream'])

export function readMultipartRequest(
  hasOutputTokens: boolean,
  contentType: string | undefined = '',
  received: Buffer | LargeBody,
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
  if (field === undefined) return invalidRequest('The multipart body has no "model" part.', 'model')
  const model = checkModel(field.value, () => readField(body, field))
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
    size: {
      textBytes: sizeOf('prompt'),
      mediaCount: 1,
      messageCount: 0,
      tokenIdCount: 0,
      promptCount: 1,
      maxOutputTokens: hasOutputTokens ? undefined : 0,
      choices: Math.max(1, Number.parseInt(wordIn('n'), 10) || 1),
    },
    promptPrefix: Buffer.alloc(0),
    mayAskUsage: false,
    bodyFor: (name) => edited(received, name === model ? [] : [{ at: field.value, bytes: name }]),
  }
}
