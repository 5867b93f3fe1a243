import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'

import { type PageFile, pageFiles } from '../../src/status/page-files.ts'

describe('the files of the status page', () => {
  const files = Object.values(pageFiles()) as PageFile[]

  test('weigh at most 40 kB, compressed 15.2 kB, or 17 kB for who accepts gzip alone', async () => {
    const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0)
    const whole = sum(files.map(({ bytes }) => bytes.length))
    const compressed = sum(
      (await Promise.all(files.map(({ brotli }) => brotli()))).map(({ length }) => length),
    )
    const gzipped = sum(files.map(({ gzip }) => gzip.length))
    assert.ok(whole <= 40_000, `${whole} bytes`)
    assert.ok(compressed <= 15_200, `${compressed} bytes compressed`)
    assert.ok(gzipped <= 17_000, `${gzipped} bytes of gzip`)
  })

  test('are the same compressed, and are told apart by their tags', async () => {
    for (const { bytes, gzip, brotli, etag } of files) {
      assert.deepEqual(gunzipSync(gzip), bytes)
      assert.deepEqual(brotliDecompressSync(await brotli()), bytes)
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
