"""What MiniStack does otherwise than AWS, corrected: each module corrects one service.

These modules run in the emulator's virtual environment. Of ours they import nothing that needs
more than the standard library.
"""
