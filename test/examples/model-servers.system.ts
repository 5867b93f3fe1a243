// The example units of model servers, as systemd reads them. What they do: test/system/model-servers.system.ts.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { missing } from '../support/needs.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

const skip = missing('systemd-analyze')
const examples = join(import.meta.dirname, '../../systemd/examples')

/** What Ollama's installer writes, as far as it matters here. */
const installedOllama = '[Service]\nExecStart=/bin/true serve\nUser=root\nRestart=always\nRestartSec=3\n'

interface Example {
  readonly file: string
  readonly unit: string
  readonly dropIn?: string
  /** The highest exposure that `systemd-analyze security` may find, of 10. */
  readonly maxExposure: number
}

const ofUser: readonly Example[] = [
  { file: 'llama-server@.service', unit: 'llama-server@qwen.service', maxExposure: 1.6 },
  { file: 'vllm@.service', unit: 'vllm@qwen.service', maxExposure: 1.6 },
  { file: 'ollama.service', unit: 'ollama.service', maxExposure: 1.9 },
]

const ofSystem: readonly Example[] = [
  {
    file: 'llama-server@.service',
    unit: 'llama-server@qwen.service',
    dropIn: 'system-model-server.conf',
    maxExposure: 1.3,
  },
  {
    file: 'vllm@.service',
    unit: 'vllm@qwen.service',
    dropIn: 'system-model-server.conf',
    maxExposure: 1.3,
  },
  {
    file: '',
    unit: 'ollama.service',
    dropIn: 'ollama.service.d/50-llm-gateway.conf',
    maxExposure: 1.8,
  },
]

for (const [scope, each] of [
  ['user', ofUser],
  ['system', ofSystem],
] as const) {
  suite(`model servers of the ${scope}`, { skip }, () => {
    for (const example of each) {
      test(`${example.unit} is clean, with an exposure of at most ${example.maxExposure}`, (t) => {
        const { unit, analyze } = put(t, scope, example)
        const verified = analyze(['verify', '--man=no', unit])
        assert.deepEqual([verified.status, verified.stdout, verified.stderr], [0, '', ''])
        const { stdout, stderr } = analyze(['security', '--no-pager', '--offline=true', unit])
        const exposure = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]
        t.diagnostic(`exposure of ${example.unit} of the ${scope}: ${exposure}`)
        assert.ok(Number(exposure) <= example.maxExposure, stdout + stderr)
      })
    }
  })
}

/** Puts an example with its drop-in and its slice into a directory of its own. */
function put(t: Cleanup, scope: 'user' | 'system', { file, unit, dropIn }: Example) {
  const folder = scratchDirectory(t)
  const path = join(folder, unit)
  if (file === '') writeFileSync(path, installedOllama)
  else copyFileSync(join(examples, file), path)
  copyFileSync(join(examples, 'models.slice'), join(folder, 'models.slice'))
  if (dropIn !== undefined) {
    mkdirSync(join(folder, `${unit}.d`))
    copyFileSync(join(examples, dropIn), join(folder, `${unit}.d`, 'example.conf'))
  }
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    LANG: 'C.UTF-8',
  }
  const mode = scope === 'user' ? ['--user'] : []
  const analyze = (args: readonly string[]) =>
    spawnSync('systemd-analyze', [...mode, ...args], { encoding: 'utf8', env })
  return { unit: path, analyze }
}
