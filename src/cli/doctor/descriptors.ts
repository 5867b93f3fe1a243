// Checks how many connections the file descriptors of the gateway suffice for: those of the one that listens, or else those
// that one would have that is started as this command was.
import { descriptorsOf, type Descriptors } from '../../platform/descriptors.ts'
import type { Finding } from './finding.ts'

const subject = 'file descriptors'

/** With fewer, a machine with several agents may have calls refused. */
const minLimit = 2_048

/** The share of them in use that counts as nearly all. */
const nearlyAll = 0.8

const fix =
  'raise the limit: LimitNOFILE= in a drop-in of the unit (systemctl edit), or the hard limit of the shell (ulimit -Hn)'

/** @param listeners what was found at the addresses, with the process (`pid`) of a gateway that responds there. */
export function examineDescriptors(listeners: readonly Finding[]): Finding[] {
  const pid = listeners.map(({ figures }) => figures?.['pid']).find((each) => each !== undefined)
  const running = pid === undefined ? undefined : descriptorsOf(Number(pid))
  if (running !== undefined) return [ofRunning(running)]
  const own = descriptorsOf('self')
  return own === undefined ? [] : [ofLimit(own, 'a gateway that is started like this command may open')]
}

function ofRunning({ limit, open }: Descriptors): Finding {
  if (open < nearlyAll * limit) return ofLimit({ limit }, `the gateway has ${open} open, of at most`)
  const detail = `the gateway has ${open} of ${limit} open: it refuses further connections with 503 (overloaded)`
  return { subject, state: 'warn', detail, fix, figures: { open, limit } }
}

function ofLimit({ limit }: Pick<Descriptors, 'limit'>, what: string): Finding {
  const detail = `${what} ${limit === Infinity ? 'any number' : limit}`
  if (limit >= minLimit) return { subject, state: 'ok', detail }
  return { subject, state: 'warn', detail: `${detail}, and a call takes two`, fix, figures: { limit } }
}
