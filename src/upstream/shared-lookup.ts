// Look-ups of names run in Node's thread pool, two at a time and for 10 s or longer while no name server answers; none can
// be ended. One for each call would keep those of other providers waiting, long after the calls have been answered.
import dns from 'node:dns'
import type { LookupFunction } from 'node:net'

type Callback = Parameters<LookupFunction>[2]
type Result = Parameters<Callback>

/** The system's look-up, but one that is asked for again while it is under way is shared. */
export function sharedLookup(): LookupFunction {
  const underWay = new Map<string, Callback[]>()
  return (host, options, callback) => {
    const key = `${host} ${JSON.stringify(options)}`
    const others = underWay.get(key)
    if (others !== undefined) {
      others.push(callback)
      return
    }
    const waiting = [callback]
    underWay.set(key, waiting)
    dns.lookup(host, options, (...result: Result) => {
      underWay.delete(key)
      for (const each of waiting) each(...result)
    })
  }
}
