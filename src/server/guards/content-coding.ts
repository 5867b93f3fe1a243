// Bodies are not decoded. A compressed one could be a thousand times as large as the size that was checked.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const contentCodingGuard: Guard = ({ headers }) => {
  const coding = headers['content-encoding']
  if (coding === undefined || coding.toLowerCase() === 'identity') return undefined
  return new GatewayError(
    'unsupported_media_type',
    'A content-encoding is not supported; send the body uncompressed.',
    { param: 'content-encoding' },
  )
}
