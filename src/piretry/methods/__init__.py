"""Methods decide which completions become training examples.

One module a method, so that an edit reruns its cells alone.
"""
