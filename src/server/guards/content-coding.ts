// A body has one content coding at most. Several, one inside the other, could hide any amount of bytes from the limit, and
// no client sends them.
import { GatewayError } from '../../errors.ts'
import { codingOf } from '../../http/content-coding.ts'
import type { Guard } from './guard.ts'

export const contentCodingGuard: Guard = ({ headers }) => {
  const header = headers['content-encoding']
  if (header === undefined || codingOf(header) !== undefined) return undefined
  const seen = JSON.stringify(header.slice(0, 100))
  return new GatewayError(
    'unsupported_media_type',
    `The content-encoding ${seen} is not supported; send the body uncompressed, or in one of gzip, br, zstd and deflate.`,
    { param: 'content-encoding' },
  )
}
