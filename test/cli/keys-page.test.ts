// Every command of docs/keys.md, run in the order in which a reader meets them.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { runCommand } from '../support/run-command.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/keys.md'), 'utf8')
const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)
const lines = blocks.flatMap((block) => block.split('\n')).filter((line) => line.startsWith('llm-gateway '))

/** Words of a shell command: what stands in quotation marks is one. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '')
}

test('the commands of docs/keys.md work', async (t) => {
  const folder = scratchDirectory(t)
  const config = join(folder, 'llm-gateway.yaml')
  writeFileSync(config, 'providers: { echo: { kind: echo } }\nserver: { port: 1 }\n', { mode: 0o600 })
  assert.ok(lines.length >= 7, 'the commands are found')
  for (const line of lines) {
    const [command = '', file] = line.split(' < ')
    const inFolder = (word: string) => (word.endsWith('.key') ? join(folder, word) : word)
    const args = [...wordsOf(command).slice(1).map(inFolder), '--config', config]
    const input = file === undefined ? '' : readFileSync(join(folder, file), 'utf8')
    const { status, stderr } = await runCommand(args, { env: { HOME: folder }, input })
    assert.equal(status, 0, `${line}: ${stderr}`)
  }
})
