// Lines of a process that another machine may feed: what is kept of them, and how many are handed on, has a limit.
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** In characters; the rest of a longer line is left out. */
const maxLength = 4_096
/** Of one stream: no step prints a tenth of them. */
const maxLines = 20_000

/** @param onLine gets each line without its break, at its end; lines behind the last of `maxLines` are not handed on. */
export function forEachLine(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8')
  let kept = ''
  let count = 0
  const end = () => {
    count += 1
    if (count <= maxLines) onLine(kept.replace(/\r$/, ''))
    else if (count === maxLines + 1) onLine('… further lines are left out')
    kept = ''
  }
  const read = (text: string) => {
    const pieces = text.split('\n')
    for (const [index, piece] of pieces.entries()) {
      if (kept.length < maxLength) kept += piece.slice(0, maxLength - kept.length)
      if (index < pieces.length - 1) end()
    }
  }
  stream.on('data', (bytes: Buffer) => read(decoder.write(bytes)))
  stream.once('end', () => {
    read(decoder.end())
    if (kept !== '') end()
  })
}

/** @returns false: the stream has ended without that line. */
export function waitForLine(stream: Readable, wanted: string): Promise<boolean> {
  return new Promise((resolve) => {
    forEachLine(stream, (line) => {
      if (line === wanted) resolve(true)
    })
    for (const event of ['end', 'close', 'error'] as const) stream.once(event, () => resolve(false))
  })
}
