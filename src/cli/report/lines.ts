// Lines of a stream, bounded: a file of lines may be anything.

/** In bytes. A line of the gateway is shorter than 8 KiB. */
const maxLineBytes = 65_536

const lineFeed = 0x0a

/**
 * @param onLine receives each line without its end; undefined stands for one that is too long.
 * @throws what the stream throws.
 */
export async function forEachLine(
  stream: AsyncIterable<Buffer>,
  onLine: (line: string | undefined) => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0)
  let isSkipping = false
  for await (const chunk of stream) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(lineFeed, from)
      if (end < 0) break
      const piece = chunk.subarray(from, end)
      if (isSkipping || rest.length + piece.length > maxLineBytes) onLine(undefined)
      else onLine(rest.length === 0 ? piece.toString() : Buffer.concat([rest, piece]).toString())
      isSkipping = false
      rest = Buffer.alloc(0)
      from = end + 1
    }
    if (isSkipping) continue
    rest = rest.length === 0 ? chunk.subarray(from) : Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length <= maxLineBytes) continue
    isSkipping = true
    rest = Buffer.alloc(0)
  }
  if (isSkipping) onLine(undefined)
  else if (rest.length > 0) onLine(rest.toString())
}
