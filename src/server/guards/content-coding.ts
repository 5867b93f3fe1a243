// A body comes as it is. A compressed one could be a thousand times the size that it is checked for, and nothing of
// it could be read without unpacking it first.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const contentCodingGuard: Guard = ({ headers }) => {
  const coding = headers['content-encoding']
  if (coding === undefined || coding.toLowerCase() === 'identity') return undefined
  return new GatewayError(
    'unsupported_media_type',
    `The content-encoding ${JSON.stringify(coding.slice(0, 100))} is not supported. Send the body uncompressed.`,
    { param: 'content-encoding' },
  )
}
