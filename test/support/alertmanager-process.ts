// A real Alertmanager, from a configuration in a folder.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { soon, until } from './deadline.ts'
import { freePort } from './free-port.ts'
import type { Cleanup } from './scripted-upstream.ts'

export const alertmanagerProgram = 'prometheus-alertmanager'

/** Starts it in this folder, and ends it after the test. @returns `http://127.0.0.1:PORT`. */
export async function runAlertmanager(t: Cleanup, folder: string, config: string): Promise<string> {
  writeFileSync(join(folder, 'config.yml'), config)
  const port = await freePort()
  const args = [
    '--config.file=config.yml',
    '--storage.path=data',
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ]
  const child = spawn(alertmanagerProgram, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill()
    await soon(ended, () => 'the end of Alertmanager')
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const url = `http://127.0.0.1:${port}`
  const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true
  await until(async () => child.exitCode !== null || (await isReady()), 'Alertmanager')
  assert.equal(child.exitCode, null, log)
  return url
}
