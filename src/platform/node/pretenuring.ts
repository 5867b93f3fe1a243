// V8 notes which places of the code make objects that live long, and makes later ones of the same place old at once. Places
// that make listeners of sockets first and those of calls later keep whole calls until a full collection.
// While the flag is set, V8 rejects all code that was compiled without it: Node's own modules (20 ms of a start) and the
// package's bundle. So it is set after a start, and not while a thread starts.
// Leans on: V8's flag, which it also accepts after its start, and which the whole process shares.
// Buys: a third of the garbage, and 20 to 30 µs of each call.
// Canary: test/platform/node/pretenuring.test.ts. Source: https://github.com/v8/v8/blob/main/src/flags/flag-definitions.h
import { setFlagsFromString } from 'node:v8'

export const pretenuringFlag = '--no-allocation-site-pretenuring'

/** Of all threads. Call it when everything that serves calls is loaded. */
export function disablePretenuring(): void {
  setFlagsFromString(pretenuringFlag)
}

/** Back to V8's default, under which compiled code is accepted. */
export function allowPretenuring(): void {
  setFlagsFromString(pretenuringFlag.replace('--no-', '--'))
}
