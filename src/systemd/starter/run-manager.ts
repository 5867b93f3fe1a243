// Runs systemctl and systemd-run without blocking: the starter answers several connections meanwhile.
import { execFile } from 'node:child_process'
import { absoluteProgram } from '../absolute-program.ts'
import type { Finished } from './refusal.ts'
import type { UnitCommand } from './unit-commands.ts'

/** Never rejects. */
export type RunManager = (command: UnitCommand) => Promise<Finished>

/** The gateway waits 20 s for an answer, and a start takes up to three runs. */
const timeoutMs = 6_000

/** `systemctl show` prints about 400 bytes for a unit. */
const maxOutputBytes = 4 * 1024 * 1024

/** @param env of the starter; only what leads to the user's manager is passed on. */
export function managerRunner(env: NodeJS.ProcessEnv): RunManager {
  const passed = ['XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'].flatMap((name) =>
    env[name] === undefined ? [] : [[name, env[name]] as const],
  )
  // refusal.ts reads the English messages.
  const ownEnv = { ...Object.fromEntries(passed), LC_ALL: 'C', SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '' }
  return ({ program, args, environment = [] }) => {
    const path = absoluteProgram(program)
    if (path === undefined) {
      return Promise.resolve({ status: undefined, stdout: '', stderr: `there is no ${program}` })
    }
    return new Promise((resolve) => {
      const options = {
        // What leads to the manager is not the configuration's to change here.
        env: { ...Object.fromEntries(environment), ...ownEnv },
        cwd: '/',
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: maxOutputBytes,
      } as const
      const child = execFile(path, args, options, (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined
        resolve({ status, stdout, stderr: stderr || (error?.message ?? '') })
      })
      child.stdin?.end()
    })
  }
}
