// A real Caddy in front of a gateway, with a configuration, an address and files of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { soon } from '../support/deadline.ts'
import { findProgram } from '../support/needs.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/**
 * Starts Caddy as the user `uid`; this needs root.
 * @param listenOn `ADDRESS:PORT`.
 * @param upstreamUrl what it forwards to, with its own `X-Forwarded-For` in place of the client's.
 */
export function startCaddy(
  t: Cleanup,
  upstreamUrl: string,
  { uid, listenOn }: { uid: number; listenOn: string },
): Promise<void> {
  const [address, port] = listenOn.split(':')
  return runCaddy(
    t,
    uid,
    `http://:${port} {
  bind ${address}
  reverse_proxy ${new URL(upstreamUrl).host} {
    header_up Host localhost
  }
}
`,
  )
}

/** @param site of `http://`; Caddy has neither certificates nor an administrator's port. */
export async function runCaddy(t: Cleanup, uid: number, site: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'caddy-'))
  const file = join(folder, 'Caddyfile')
  writeFileSync(file, `{\n  admin off\n  auto_https off\n}\n${site}`)
  chownSync(folder, uid, uid)
  const caddy = spawn(findProgram('caddy')!, ['run', '--config', file, '--adapter', 'caddyfile'], {
    cwd: folder,
    env: { HOME: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
    uid,
    gid: uid,
  })
  const ended = once(caddy, 'close')
  t.after(async () => {
    caddy.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  })
  let said = ''
  const listening = new Promise<void>((resolve) => {
    caddy.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('serving initial configuration')) resolve()
    })
  })
  await soon(Promise.race([listening, ended]), () => `Caddy to listen; it said ${said}`)
  if (caddy.exitCode !== null) throw new Error(`Caddy ended: ${said}`)
}
