import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { missing } from '../support/needs.ts'
import { secretScene } from './secret-scene.ts'

test(
  'age opens what is stored, with the identity file and with the paper',
  { skip: missing('age') },
  async (t) => {
    const scene = secretScene(t, ['a'])
    const { printed } = await scene.set('a', 'sk-a')
    const paper = join(scene.home, 'paper')
    writeFileSync(paper, printed!)
    for (const identity of [scene.identityFile, paper]) {
      assert.equal(execFileSync('age', ['-d', '-i', identity, scene.file('a')], { encoding: 'utf8' }), 'sk-a')
    }
    const recipients = join(scene.directory, 'recipients.txt')
    execFileSync('age', ['-R', recipients, '-o', scene.file('a')], { input: 'sk-from-age' })
    assert.deepEqual(await scene.load(), { a: 'sk-from-age' })
  },
)
