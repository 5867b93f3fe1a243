// A body has one media type. Programs disagree on which of two lines counts (RFC 9110 §5.3 lets them), and the media type
// decides how the model's name is found.
import { GatewayError } from '../../errors.ts'
import { headerLines } from '../../http/headers.ts'
import type { Guard } from './guard.ts'

export const contentTypeGuard: Guard = (request) => {
  if (request.headers['content-type'] === undefined) return undefined
  const lines = headerLines(request, 'content-type')
  if (lines.length === 1) return undefined
  const other = lines.find((line) => line !== lines[0])
  if (other === undefined) return undefined
  const seen = `${JSON.stringify(lines[0]!.slice(0, 100))} and ${JSON.stringify(other.slice(0, 100))}`
  return new GatewayError(
    'invalid_request',
    `The request has two content-type headers that differ, ${seen}. Send one.`,
    {
      param: 'content-type',
    },
  )
}
