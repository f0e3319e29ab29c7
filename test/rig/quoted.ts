/** Command lines of `ov` in code spans and code blocks of Markdown. */
export function quotedInMarkdown(text: string): string[] {
  const blocks = [...text.matchAll(/^```[a-z]*\n(.*?)^```/gms)].flatMap((match) => (match[1] ?? '').split('\n'))
  const spans = [...text.replace(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')
  return [...blocks, ...spans].map((line) => line.trim().replace(/^\$ /, '')).filter((line) => /^ov [a-z]/.test(line))
}

/** Command lines of `ov` in string literals: hints, prompts, messages. */
export function quotedInCode(text: string): string[] {
  return [...text.matchAll(/(?<=['"`:(] ?|- )ov [a-z][a-z-]*(?: [a-z][a-z-]*)?(?: [^'`\n]*)?/g)].flatMap((match) =>
    // A sentence may name several.
    match[0].split(/(?<=: )(?=ov [a-z])/),
  )
}
