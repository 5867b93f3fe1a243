// The shapes in which a key could get out: as it is, its beginning, and the usual encodings.

/** Names of the shapes and their texts. Base64 has three, by where in the encoded bytes the key begins. */
export function keyForms(key: string): ReadonlyMap<string, string> {
  const forms = new Map([
    ['the key', key],
    ['its first 8 characters', key.slice(0, 8)],
    ['the key, percent-encoded', encodeURIComponent(key)],
    ['the key in hexadecimal', Buffer.from(key).toString('hex')],
  ])
  for (const offset of [0, 1, 2]) {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(key)])
    // Only the characters that depend on nothing but the key.
    const span = [Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6)] as const
    forms.set(`the key in base64 from byte ${offset} on`, bytes.toString('base64').slice(...span))
    forms.set(`the key in base64url from byte ${offset} on`, bytes.toString('base64url').slice(...span))
  }
  return forms
}

/** The names of the shapes of the key that stand in the text. */
export function findKey(text: string, key: string): string[] {
  return [...keyForms(key)].filter(([, form]) => text.includes(form)).map(([name]) => name)
}
