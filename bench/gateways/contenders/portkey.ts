// Portkey's gateway, from npm. It is no dependency of this package: it is installed for the bench alone, in a cache, from
// its pinned version and without install scripts.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../../test/support/needs.ts'
import type { Contender, Found } from '../contender.ts'
import { cacheDirectory } from '../cache.ts'

const version = '1.15.2'
/** With later ones its streams fail: github.com/Portkey-AI/gateway/issues/1389. */
const serverVersion = '1.13.8'

export const portkey: Contender = {
  name: 'Portkey',
  setup: `as npm has it, \`--headless\`, on the same Node as ours; with @hono/node-server ${serverVersion}, because its streams fail with what npm picks`,
  path: '/v1/chat/completions',
  model: 'bench',
  headers: ({ upstreamPort }) => ({
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
  }),
  async find({ mayDownload }): Promise<Found> {
    const directory = join(cacheDirectory(), `portkey-${version}-${serverVersion}`)
    const start = join(directory, 'node_modules/@portkey-ai/gateway/build/start-server.js')
    // Written last, so that a broken download is not taken for a whole one.
    const done = join(directory, 'done')
    if (!existsSync(done)) {
      if (!mayDownload) return { kind: 'absent', reason: 'not in the cache' }
      const fault = await install(directory)
      if (fault !== undefined) return { kind: 'absent', reason: fault }
      writeFileSync(done, '')
    }
    return {
      kind: 'found',
      version,
      launch: ({ port }) => ({
        command: process.execPath,
        args: [start, `--port=${port}`, '--headless'],
        env: { NODE_ENV: 'production' },
      }),
    }
  },
}

/** @returns why it could not be had. */
async function install(directory: string): Promise<string | undefined> {
  const npm = findProgram('npm')
  if (npm === undefined) return 'no npm to install it with'
  mkdirSync(directory, { recursive: true })
  const wanted = {
    private: true,
    dependencies: { '@portkey-ai/gateway': version },
    overrides: { '@hono/node-server': serverVersion },
  }
  writeFileSync(join(directory, 'package.json'), JSON.stringify(wanted))
  const options = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--prefix', directory]
  try {
    await promisify(execFile)(npm, ['install', ...options], { cwd: directory, timeout: 180_000 })
    return undefined
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    const reason = /^npm (?:error|ERR!) (?!code)(.*)$/m.exec(stderr ?? '')?.[1] ?? message.split('\n')[0]
    return `npm could not install it: ${reason}`
  }
}
