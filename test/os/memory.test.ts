import { afterEach, expect, test } from 'vitest'
import { forgetFrugality, frugalEnvironment } from '../../src/os/memory.ts'

const NAME = 'MALLOC_TRIM_THRESHOLD_'

afterEach(() => {
  delete process.env[NAME]
})

test('a process that is to stay small is told so, and none of its children is', () => {
  process.env[NAME] = frugalEnvironment()[NAME]
  forgetFrugality()
  expect(process.env).not.toHaveProperty(NAME)
})

test('what a person has set about memory stands, for children too', () => {
  process.env[NAME] = '1000000'
  expect(frugalEnvironment()).toMatchObject({ [NAME]: '1000000' })
  forgetFrugality()
  expect(process.env[NAME]).toBe('1000000')
})
