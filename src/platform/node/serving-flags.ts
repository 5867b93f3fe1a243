// Flags of V8 for a process that serves calls.
//
// Pretenuring: V8 notes which places of the code make objects that live long, and makes later ones of the same place old at
// once. Places that make listeners of sockets first and those of calls later keep whole calls until a full collection.
//
// The memory reducer: after 8 s in which little was allocated, V8 collects to give memory back. When no call is under way, no
// object of a call is there, so that the collection takes the shapes of those objects with it, and with them the code that was
// compiled for them (348 functions: "embedded weak objects cleared" in --trace-deopt); the space of new objects shrinks to its
// least. The next 1,500 calls then took 2.9 times the CPU time: 32 collections of new objects in place of 4, and 59 functions
// compiled in place of 14. A gateway that people use rests for seconds all day; after ten minutes its memory is given back.
//
// While one of the flags is set, V8 rejects all code that was compiled without it: Node's own modules (20 ms of a start) and
// the package's bundle. So they are set after a start, and not while a thread starts.
// Leans on: V8's flags, which it also accepts after its start, and which the whole process shares.
// Buys: a third of the garbage, and 20 to 30 µs of each call; after a rest, two thirds of a call's CPU time.
// Canary: test/platform/node/serving-flags.test.ts. Source: https://github.com/v8/v8/blob/main/src/flags/flag-definitions.h
import { setFlagsFromString } from 'node:v8'

/** Older ones have no flag for the delay, and write an error for it. */
const hasDelay = Number.parseInt(process.versions.node, 10) >= 26

/** Each while calls are served, and as V8 has it by default. */
export const servingFlags: readonly { readonly serving: string; readonly usual: string }[] = [
  { serving: '--no-allocation-site-pretenuring', usual: '--allocation-site-pretenuring' },
  ...(hasDelay
    ? [{ serving: '--memory-reducer-delay-ms=600000', usual: '--memory-reducer-delay-ms=8000' }]
    : []),
]

/** Of all threads. Call it when everything that serves calls is loaded. */
export function setServingFlags(): void {
  for (const { serving } of servingFlags) setFlagsFromString(serving)
}

/** Back to V8's defaults, under which compiled code is accepted. */
export function resetServingFlags(): void {
  for (const { usual } of servingFlags) setFlagsFromString(usual)
}
