// V8 compiles well what has run for a while. Until then the scan of a large body takes the event loop ten times as long,
// and every other call waits for it; so the scan is run, on a sample, before somebody needs it.
import { systemClock } from '../clock.ts'
import { readRequest } from '../dialects/request.ts'
import { dialects } from '../dialects/table.ts'

const rounds = 24
/** After the start, when first calls have been answered. */
const delayMs = 500
const pauseMs = 20

/** Runs beside calls, a millisecond or two at a time. */
export function warmUp(): void {
  const chat = dialects.find(({ name }) => name === 'chat')!
  const image = {
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${'iVBORw0KGgo'.repeat(20_000)}` },
  }
  const words = { type: 'text', text: 'A "quoted" word, a \\ and a line\n'.repeat(200) }
  const body = Buffer.from(
    JSON.stringify({ model: 'sample', messages: [{ role: 'user', content: [words, image] }] }),
  )
  let left = rounds
  const run = () => {
    readRequest(chat, 'application/json', body)
    left -= 1
    if (left > 0) systemClock.setTimer(run, pauseMs)
  }
  systemClock.setTimer(run, delayMs)
}
