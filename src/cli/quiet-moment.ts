// A restart at a moment when it interrupts nobody: until then the gateway goes on serving, so that no new call has to wait in
// the manager's sockets for a long stream to end.
import type { App } from '../app/app.ts'
import type { SetTimer } from '../platform/clock.ts'

const checkEveryMs = 20

/** Resolves when no call is open, after `maxMs`, or at once where the number of open calls is unknown. */
export function quietMoment(app: Pick<App, 'openCalls'>, setTimer: SetTimer, maxMs: number): Promise<void> {
  return new Promise((resolve) => {
    let isOver = false
    setTimer(() => (isOver = true), maxMs)
    const check = (): void => {
      if (isOver || (app.openCalls() ?? 0) === 0) resolve()
      else setTimer(check, checkEveryMs)
    }
    check()
  })
}
