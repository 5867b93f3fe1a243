// The content codings of bodies, which are removed only where a body must be read.
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'

type Decoder = (body: Buffer, options: { maxOutputLength: number }) => Buffer

/** By the names of RFC 9110 §8.4.1 and IANA's registry. */
const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['br', brotliDecompressSync],
  ['deflate', inflateSync],
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
])

/**
 * @param coding the value of `content-encoding`; undefined: none.
 * @param maxBytes the longest result.
 * @returns the body without its coding; undefined if that is unknown, applied more than once or wrong, or hides too much.
 */
export function withoutCoding(
  body: Buffer,
  coding: string | string[] | undefined,
  maxBytes: number,
): Buffer | undefined {
  if (coding === undefined) return body
  const name = String(coding).trim().toLowerCase()
  if (name === 'identity' || name === '') return body
  try {
    return decoders.get(name)?.(body, { maxOutputLength: maxBytes })
  } catch {
    return undefined
  }
}
