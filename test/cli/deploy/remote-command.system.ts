// The commands as real shells run them, in place of the login shell of a box.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'

import { remoteCommand } from '../../../src/cli/deploy/remote-command.ts'
import { findProgram } from '../../support/needs.ts'

const shells = ['sh', 'bash', 'dash', 'zsh', 'fish', 'tcsh'].filter(
  (shell) => findProgram(shell) !== undefined,
)

function runIn(shell: string, text: string, args: readonly string[], input = ''): string {
  const { line, prologue } = remoteCommand({ text, args, isPrivileged: false })
  const ended = spawnSync(shell, ['-c', line], { input: Buffer.concat([prologue, Buffer.from(input)]) })
  assert.equal(ended.status, 0, ended.stderr.toString())
  return ended.stdout.toString()
}

for (const shell of shells) {
  test(`${shell} passes each argument as one word, and leaves what follows the script to it`, () => {
    const word = fc.string({ unit: 'binary-ascii' }).filter((text) => !/[\n\r\0!]/.test(text))
    const property = fc.property(fc.array(word, { maxLength: 4 }), fc.string(), (args, input) => {
      const script = `for each; do printf '%s\\0' "$each"; done\ncat`
      assert.equal(runIn(shell, script, args, input), `${args.map((each) => `${each}\0`).join('')}${input}`)
    })
    fc.assert(property, { numRuns: 20 })
  })
}
