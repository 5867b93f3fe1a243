import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'

import { pageFiles } from '../../src/status/page-files.ts'

describe('the files of the status page', () => {
  const files = Object.values(pageFiles()) as { bytes: Buffer; gzip: Buffer; etag: string }[]

  test('weigh at most 44 KiB, compressed 17.5 kB', () => {
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0)
    const whole = sum(files.map(({ bytes }) => bytes.length))
    const compressed = sum(files.map(({ gzip }) => gzip.length))
    assert.ok(whole <= 44 * 1024, `${whole} bytes`)
    assert.ok(compressed <= 17_500, `${compressed} bytes compressed`)
  })

  test('are the same compressed, and are told apart by their tags', () => {
    for (const { bytes, gzip, etag } of files) {
      assert.deepEqual(gunzipSync(gzip), bytes)
      assert.match(etag, /^"[\w-]{22}"$/)
    }
    assert.equal(new Set(files.map(({ etag }) => etag)).size, files.length)
  })

  test('need nothing that the policy of the page forbids', () => {
    const { html, js, css } = pageFiles()
    assert.doesNotMatch(html.bytes.toString(), /<style|style=|\son\w+=|<script(?![^>]*\ssrc=)|https?:/)
    assert.doesNotMatch(css.bytes.toString(), /url\(|@import/)
    assert.doesNotMatch(js.bytes.toString(), /\beval\(|new Function\(|document\.write/)
  })
})
