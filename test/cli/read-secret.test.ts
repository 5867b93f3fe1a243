import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'

import { readSecret, type SecretInput } from '../../src/cli/read-secret.ts'

/** A terminal to type on; `modes` are the raw modes that were set. */
function terminal() {
  const modes: boolean[] = []
  const stream = new PassThrough()
  const input = Object.assign(stream, {
    isTTY: true,
    setRawMode: (mode: boolean) => {
      modes.push(mode)
      return input
    },
  }) as unknown as SecretInput & PassThrough
  return { input, modes }
}

async function typed(text: string) {
  const { input, modes } = terminal()
  let shown = ''
  const reading = readSecret(input, (prompt) => {
    shown += prompt
  })
  input.write(text)
  return { result: await reading, shown, modes }
}

test('the line typed is the key, and it is not shown', async () => {
  const { result, shown, modes } = await typed('sk-1\rmore')
  assert.equal(result, 'sk-1')
  assert.equal(shown, 'Key (not shown): \n')
  assert.deepEqual(modes, [true, false])
})

test('Backspace and Ctrl-U correct', async () => {
  assert.equal((await typed('wrong\x15sk-22\x7f\r')).result, 'sk-2')
})

test('Backspace takes a whole character, also outside the BMP', async () => {
  assert.equal((await typed('sk-\u{1f999}\x7f1\r')).result, 'sk-1')
})

test('arrow keys are not text', async () => {
  assert.equal((await typed('s-1\x1b[D\x1b[D\x1b[Ak\r')).result, 'sk-1')
})

test('Ctrl-D on an empty line cancels', async () => {
  assert.equal((await typed('\x04')).result, undefined)
})

test('Ctrl-C cancels, and restores the terminal', async () => {
  const { result, modes } = await typed('sk-\x03')
  assert.equal(result, undefined)
  assert.deepEqual(modes, [true, false])
})

function pipe(text: string): SecretInput {
  const stream = Object.assign(new PassThrough(), { isTTY: false })
  stream.end(text)
  return stream as unknown as SecretInput
}

test('a pipe is read whole, without its last newline', async () => {
  assert.equal(await readSecret(pipe('sk-1\n'), assert.fail), 'sk-1')
})

test('a pipe of unreasonable length is refused', async () => {
  assert.equal(await readSecret(pipe('x'.repeat(20_000)), assert.fail), undefined)
})
